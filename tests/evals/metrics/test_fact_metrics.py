"""Facts that are invented, and sentences that are turned round."""

from dataclasses import replace

import pytest

from evals.metrics.base import METRICS
from evals.metrics.facts.negation import language_of, statements
from evals.testing import chats


def row_score(name: str, answer: str, reference: str, question: str = "?") -> float | None:
    return METRICS.get(name)().row_scores(*chats([answer], [reference], question))[0]


def test_a_fact_of_the_source_or_of_the_reference_is_supported() -> None:
    question, reference = "Customer 5402 paid $1,200.00 on 5 March 2024.", "Order MK401-27KX is refunded."
    answer = "Customer 5402 gets 1200 dollars back for MK401-27KX, paid 2024-03-05, within 14 days."
    assert row_score("fact_precision", answer, reference, question) == pytest.approx(4 / 5)
    assert row_score("hallucination", answer, reference, question) == 1.0
    assert row_score("hallucination", answer.replace(", within 14 days", ""), reference, question) == 0.0
    assert row_score("fact_precision", "It is refunded.", reference, question) is None, "no fact, and no reward for it"
    assert row_score("hallucination", "It is refunded.", reference, question) == 0.0


def test_what_was_looked_up_is_a_source() -> None:
    rows, (prediction,) = chats(["The soup costs $4."], ["It is cheap."])
    for passages, hallucinates in ((None, 1.0), ((), 1.0), (("Soup: 4 dollars.",), 0.0)):
        assert METRICS.get("hallucination")().row_scores(rows, [replace(prediction, passages=passages)]) == [hallucinates]


FLIPS = [
    ("The patient has no chest pain.", "The patient has chest pain."),
    ("Your refund was approved.", "The refund has not been approved."),
    ("He doesn't smoke.", "He smokes."),
    ("The patient denies fever and chills.", "The patient has fever and chills."),
    ("The order arrived yesterday. The parcel was not damaged.", "The order arrived yesterday. The parcel was damaged."),
    ("She was discharged with complications", "She was discharged without complications"),
    ("The patient can’t walk but has a fever.", "The patient can walk but has a fever."),
    ("Der Patient hat kein Fieber.", "Der Patient hat Fieber."),
    ("Der Patient raucht nicht.", "Der Patient raucht."),
    ("Le patient n’a pas de fièvre.", "Le patient a de la fièvre."),
    ("Le patient ne fume plus.", "Le patient fume."),
    ("El paciente no tiene fiebre.", "El paciente tiene fiebre."),
    ("患者没有发烧。", "患者有发烧。"),
    ("订单已发货，包裹未损坏。", "订单已发货，包裹损坏了。"),
]
NO_FLIPS = [
    ("The patient has no chest pain.", "The patient does not have chest pain."),
    ("No fever.", "No fever."),
    ("Fever, no cough.", "No fever, cough."),  # the same words, both negated somewhere: not for this to say
    ("He can come on Monday, no problem.", "He can come on Monday."),  # what is negated stands on one side alone
    ("No, he can come on Monday.", "He can come on Monday."),
    ("The order is not only late but damaged.", "The order is late and damaged."),
    ("She was discharged home on Monday.", "She was discharged home on Monday without complications."),
    ("The soup was cold. The bread was not cold.", "The bread was not cold. The soup was cold."),
    ("The patient has no known allergies.", "The patient smokes two packs a day."),
    ("The dog has no fever.", "The patient has a fever."),  # about somebody else
    ("Ask for room no. 5 at the desk.", "Ask for room 5 at the desk."),
    ("Der Patient hat nicht nur Fieber.", "Der Patient hat Fieber."),
    ("Le patient a plus de fièvre.", "Le patient a de la fièvre."),  # more, where no `ne` stands
    ("汤不错，服务很好。", "汤错，服务很好。"),  # 不错 is good, and negates nothing
    ("患者没有发烧。", "患者没有发烧。"),
]


@pytest.mark.parametrize(("answer", "reference"), FLIPS)
def test_a_sentence_that_is_turned_round_is_found_in_both_directions(answer: str, reference: str) -> None:
    assert row_score("negation_flips", answer, reference) == 1.0
    assert row_score("negation_flips", reference, answer) == 1.0


@pytest.mark.parametrize(("answer", "reference"), NO_FLIPS)
def test_what_is_no_flip_is_left_alone(answer: str, reference: str) -> None:
    assert row_score("negation_flips", answer, reference) == 0.0
    assert row_score("negation_flips", reference, answer) == 0.0


@pytest.mark.parametrize(
    "reference", ["Пациент не курит.", "患者は熱がない。", "De patiënt heeft geen koorts, maar hij hoest wel.", "환자는 열이 없다"]
)
def test_another_language_has_no_score(reference: str) -> None:
    assert row_score("negation_flips", reference, reference) is None


def test_languages_and_statements() -> None:
    assert [language_of(text) for text in ("No fever.", "Kein Fieber und keine Schmerzen.", "没有发烧", "...")] == ["en", "de", "zh", None]
    first, second = statements("The patient has no fever but he has a cough.", "en")
    assert (first.is_negated, sorted(first.units), second.is_negated, sorted(second.units)) == (
        True,
        ["fever", "patient"],
        False,
        ["cough"],
    )
    assert first.targets == {"fever"}
    assert statements("", "en") == statements("It is.", "en") == []
