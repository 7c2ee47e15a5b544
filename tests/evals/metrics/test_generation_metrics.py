"""Metrics of written text: against sacrebleu and SQuAD's definition, in English and Chinese, and by hand."""

import math
import random
import re
import string
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from evals.compare.measure import measure
from evals.config import EvalsConfig
from evals.data.role import Role
from evals.metrics.as_evaluate import as_evaluate
from evals.metrics.base import METRICS
from evals.metrics.generation.squad import answer_tokens
from evals.testing import chats
from loopwright.errors import UserError
from tests.evals.conftest import written

_ENGLISH = "the soup was cold and The waiter slow , so we left a tip of 3.50 . don't go ! It's well-known"
ENGLISH = _ENGLISH.split()
CHINESE = "这家餐馆的汤很好喝服务员太慢了我们给了小费，不要去！价格3元AB"


def compute(name: str, predictions: list[Any], references: list[Any]) -> float:
    return float(as_evaluate(METRICS.get(name)()).compute(predictions=predictions, references=references)[name])


def row_score(name: str, answer: str, reference: str, question: str = "?") -> float | None:
    return METRICS.get(name)().row_scores(*chats([answer], [reference], question))[0]


def texts(language: str, seed: int, count: int = 30) -> tuple[list[str], list[str]]:
    """Returns random answers and references that have much in common."""
    chosen = random.Random(seed)
    pieces, joint = (list(CHINESE), "") if language == "zh" else (ENGLISH, " ")
    references = [[chosen.choice(pieces) for _ in range(chosen.randint(1, 14))] for _ in range(count)]
    answers = [[piece if chosen.random() < 0.8 else chosen.choice(pieces) for piece in one][: chosen.randint(0, 20)] for one in references]
    return [joint.join(one) for one in answers], [joint.join(one) for one in references]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("language", "tokenizer"), [("en", "13a"), ("zh", "zh")])
def test_bleu_and_chrf_equal_sacrebleu(language: str, tokenizer: str, seed: int) -> None:
    answers, references = texts(language, seed)
    if language == "zh":  # a reference without a Chinese character would take the other tokenizer
        answers, references = [f"{text}汤" for text in answers], [f"{text}汤汤汤" for text in references]
    assert compute("bleu", answers, references) == pytest.approx(BLEU(tokenize=tokenizer).corpus_score(answers, [references]).score)
    assert compute("chrf", answers, references) == pytest.approx(CHRF(word_order=2).corpus_score(answers, [references]).score)


@pytest.mark.parametrize(
    ("answers", "references"),
    [
        (["a b c d e"], ["v w x y z"]),
        (["a b"], ["a b"]),
        (["a x c y e z"], ["a b c d e f"]),
        ([""], ["a b c d e"]),
        (["a b c d"], ["a b c d e f g h"]),
    ],
)
def test_bleu_smooths_and_ends_as_sacrebleu_does(answers: list[str], references: list[str]) -> None:
    assert compute("bleu", answers, references) == pytest.approx(BLEU().corpus_score(answers, [references]).score, abs=1e-9)
    assert compute("chrf", answers, references) == pytest.approx(CHRF(word_order=2).corpus_score(answers, [references]).score, abs=1e-9)


def test_corpus_scores_add_up_over_rows() -> None:
    answers, references = texts("en", 7)
    for name, peer in (("bleu", BLEU()), ("chrf", CHRF(word_order=2))):
        metric = METRICS.get(name)()
        statistics = metric.statistics(*written(answers, references))
        halves = np.stack([statistics[::2].sum(axis=0), statistics[1::2].sum(axis=0)])
        expected = [peer.corpus_score(answers[start::2], [references[start::2]]).score for start in (0, 1)]
        assert metric.value(halves).tolist() == pytest.approx(expected)


def test_an_empty_reference_does_not_count_and_none_gives_no_value() -> None:
    assert compute("bleu", ["a b c d", "x"], ["a b c d", ""]) == pytest.approx(100)
    assert compute("chrf", ["a b c d", "x"], ["a b c d", ""]) == pytest.approx(100)
    assert math.isnan(compute("bleu", ["x"], [""])) and math.isnan(compute("chrf", ["x"], [""]))


def test_the_notes_have_the_signatures() -> None:
    rows, _ = chats([""] * 3, ["a soup", "汤很好喝", "とても美味しい"])
    note = METRICS.get("bleu")().note(rows)
    assert note is not None and note.startswith("bleu: nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert "|tok:zh|" in note and "|tok:char|" in note
    assert re.fullmatch(r"chrf: nrefs:1\|case:mixed\|eff:yes\|nc:6\|nw:2\|space:no\|version:\S+", METRICS.get("chrf")().note(rows) or "")
    assert METRICS.get("bleu")().note(chats([""], [""])[0]) is None and METRICS.get("rouge1")().note(rows) is None


def test_bleu_without_sacrebleu_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from evals.metrics.generation import sacrebleu_statistics

    sacrebleu_statistics.scorer.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "sacrebleu.metrics", None)
    with pytest.raises(UserError, match=r"pip install 'loopwright\[train\]'"):
        METRICS.get("bleu").require_ready()


def test_bleu_has_an_interval_and_a_paired_difference() -> None:
    answers, references = texts("en", 3, 60)
    rows, good = written(answers, references)
    _, poor = written([text.replace("the", "a") for text in answers], references)
    by_id = {name: {one.id: one for one in some} for name, some in (("good", good), ("poor", poor))}
    found = measure(rows, {"t": ("bleu",)}, by_id, {"good": Role.TUNED, "poor": Role.BASE}, EvalsConfig(num_resamples=500))
    value, (pair,) = found.values["good"]["bleu"], found.pairs
    assert value.value is not None and value.low is not None and value.high is not None and value.low < value.value < value.high
    assert pair.difference is not None and pair.difference > 0 and pair.p is not None and pair.p < 0.05


def squad_tokens(text: str) -> list[str]:
    """SQuAD's normalisation, from its description: lower case, no punctuation, no articles, single spaces."""
    text = "".join(character for character in text.lower() if character not in string.punctuation)
    return re.sub(r"\b(?:a|an|the)\b", " ", text).split()


@given(st.text(alphabet="aAnthe XYZ019 .,'-_!?$\n", max_size=60))
def test_normalised_words_are_those_of_squad(text: str) -> None:
    assert answer_tokens(text, in_english=True) == squad_tokens(text)


@pytest.mark.parametrize("seed", range(3))
def test_token_f1_is_that_of_squad_on_english(seed: int) -> None:
    answers, references = texts("en", seed)
    expected = []
    for answer, reference in zip(answers, references, strict=True):
        said, wanted = squad_tokens(answer), squad_tokens(reference)
        common = sum((Counter(said) & Counter(wanted)).values())
        if not said or not wanted:
            expected.append(float(said == wanted))
        elif not common:
            expected.append(0.0)
        else:
            precision, recall = common / len(said), common / len(wanted)
            expected.append(2 * precision * recall / (precision + recall))
    assert compute("token_f1", answers, references) == pytest.approx(np.mean(expected))
    matches = [squad_tokens(answer) == squad_tokens(reference) for answer, reference in zip(answers, references, strict=True)]
    assert compute("normalised_match", answers, references) == pytest.approx(np.mean(matches))


def test_articles_are_words_in_other_languages() -> None:
    assert row_score("normalised_match", "The Louvre", "Louvre", "Which museum is it?") == 1.0
    assert row_score("normalised_match", "a casa", "casa", "Onde é que ele mora agora? Não sei, mas é uma casa.") == 0.0
    assert row_score("normalised_match", "¡Sopa!", "sopa", "¿Qué hay para comer hoy?") == 1.0


def test_chinese_answers_are_compared_by_character() -> None:
    assert row_score("token_f1", "汤很好喝。", "汤好喝") == pytest.approx(2 * 3 / (4 + 3))
    assert row_score("normalised_match", "汤， 很好喝！", "汤很好喝") == 1.0
    assert row_score("normalised_match", "ＡＢ１２", "ab12") == 1.0, "wide letters are the same letters"


def test_copy_rate_and_distinct_2_of_short_and_repeating_answers() -> None:
    assert row_score("copy_rate", "one two three", "", "one two three") is None
    assert row_score("copy_rate", "汤很好喝吗", "", "汤很好喝。") == 0.5
    assert row_score("distinct_2", "no no no no no", "") == 0.25
    assert row_score("distinct_2", "no", "") is None
    assert METRICS.get("copy_rate").higher_is_better is None


def test_rouge_lsum_takes_lines_for_sentences() -> None:
    assert row_score("rougeLsum", "c d\na b", "a b\nc d") == 1.0
    assert row_score("rougeL", "c d\na b", "a b\nc d") == 0.5
