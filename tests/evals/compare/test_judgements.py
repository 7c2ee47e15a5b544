"""What fails, what is weak, and what is merely another text."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from evals.compare.judgements import Standards, judge_answers
from evals.data.judgement import Judgement, Outcome, Reason
from evals.data.prediction import Prediction, PredictionState
from evals.data.references import ReferenceKinds
from tests.evals.conftest import written

SOURCE = "Customer 5400: the MK400-27KX is damaged since 3 May 2024, and I paid $1,200."


def judged(answer: str, reference: str, *, keep: Sequence[str] = (), exact: bool = False, source: str = SOURCE) -> Judgement:
    rows, predictions = written([answer], [reference], source)
    kinds = ReferenceKinds(exact=frozenset({"t"}) if exact else frozenset())
    return judge_answers(rows, {one.id: one for one in predictions}, [{}], Standards(kinds, {"t": keep}))["0"]


def reasons(judgement: Judgement) -> list[Reason]:
    return [reason for reason, _ in judgement.reasons]


def test_another_sentence_does_not_fail() -> None:
    assert judged("The customer's device is broken.", "MK400-27KX reported damaged.") == Judgement(Outcome.PASSED)


def test_an_answer_that_is_a_label_or_code_is_right_or_wrong() -> None:
    assert reasons(judged("billing.", "billing", exact=True)) == [Reason.NOT_EXACT]
    assert judged("billing", "billing", exact=True).outcome is Outcome.PASSED


def test_a_fact_that_the_template_keeps_must_not_be_lost() -> None:
    lost = judged("It is damaged.", "The MK400-27KX is damaged.", keep=["code"])
    assert reasons(lost) == [Reason.LOST_FACT] and "MK400" in lost.reasons[0][1]
    assert judged("The MK400-27KX is broken.", "The MK400-27KX is damaged.", keep=["code"]).outcome is Outcome.PASSED
    assert judged("It is damaged.", "The MK400-27KX is damaged.", keep=["money"]).outcome is Outcome.PASSED, "it is not asked for"
    assert judged("It is damaged.", "The ZZ999-11AB is damaged.", keep=["code"]).outcome is Outcome.PASSED, "the source does not hold it"


@pytest.mark.parametrize(
    ("answer", "made_up"),
    [
        ("It cost $1,300.", True),
        ("It cost 1200 dollars.", False),
        ("The ZZ999-11AB is damaged.", True),
        ("Refund by 12 June 2024.", False),  # the reference has it
        ("Refund by 13 June 2024.", True),
        ("1. It is damaged.\n2. A refund is due.", False),  # the numbers of a list are no facts
        ("There are two problems with one device.", False),
    ],
)
def test_a_fact_of_neither_source_nor_reference_fails(answer: str, made_up: bool) -> None:
    found = judged(answer, "Refund by 12 June 2024.")
    assert reasons(found) == ([Reason.UNSUPPORTED_FACT] if made_up else [])


def test_what_has_no_score_fails_and_says_why() -> None:
    rows, _ = written([None], ["a"])
    lost = Prediction("0", PredictionState.PROMPT_TOO_LONG, detail="the prompt has 9 tokens")
    found = judge_answers(rows, {"0": lost}, [{}], Standards(ReferenceKinds()))
    assert found["0"].reasons == ((Reason.NO_ANSWER, "the prompt has 9 tokens"),)


def test_a_wrong_choice_fails() -> None:
    rows, predictions = written(["no", "yes"], ["yes", "yes"])
    rows = [replace(row, choices=["no", "yes"], label=1) for row in rows]
    found = judge_answers(rows, {one.id: one for one in predictions}, [{}, {}], Standards(ReferenceKinds()))
    assert [reasons(found[id_]) for id_ in ("0", "1")] == [[Reason.WRONG_CHOICE], []]


def test_thresholds_know_which_way_is_better() -> None:
    rows, predictions = written(["x", "x"], ["y", "y"])
    answers = {one.id: one for one in predictions}
    scores = [{"rougeL": 0.2, "nll": 0.2}, {"rougeL": 0.4, "nll": 0.4}]
    for metric, failing in (("rougeL", "0"), ("nll", "1")):
        found = judge_answers(rows, answers, scores, Standards(ReferenceKinds(), fail_below={metric: 0.3}))
        assert [id_ for id_ in found if found[id_].has_failed] == [failing]
        assert reasons(found[failing]) == [Reason.LOW_SCORE]


def test_the_weakest_tenth_of_free_text_is_weak_and_not_failed() -> None:
    rows, predictions = written([f"text {'x' * index}" for index in range(25)], ["another"] * 25)
    scores = [{"rougeL": (index * 7 % 25) / 25} for index in range(25)]
    found = judge_answers(rows, {one.id: one for one in predictions}, scores, Standards(ReferenceKinds(), metrics={"t": ["rougeL"]}))
    weak = [int(id_) for id_ in found if found[id_].outcome is Outcome.WEAK]
    assert sorted(scores[index]["rougeL"] for index in weak) == [0.0, 0.04]
    assert not any(judgement.has_failed for judgement in found.values())
    labels = Standards(ReferenceKinds(exact=frozenset({"t"})), metrics={"t": ["rougeL"]})
    found = judge_answers(rows, {one.id: one for one in predictions}, scores, labels)
    assert not any(judgement.outcome is Outcome.WEAK for judgement in found.values()), "labels are right or wrong"
