"""What a metric may look at: an input, a text alone, what a prediction carries. And what importing metrics costs."""

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import evaluate
import numpy as np
import pytest
from typing_extensions import override

from evals.compare.measure import measure
from evals.compare.verdict import judge
from evals.config import EvalsConfig
from evals.data.prediction import PartScore, Prediction, PredictionState
from evals.data.role import Role
from evals.data.rows import EvalRow, Task
from evals.metrics.as_evaluate import as_evaluate
from evals.metrics.base import METRICS, Array, Metric, RowMetric
from evals.testing import chats, check_metric
from loopwright.errors import UserError
from templates.metric_ids import METRIC_IDS
from tests.evals.conftest import calling, with_choices, with_passages, written

CONFIG = EvalsConfig(num_resamples=200)


class WordsOfInput(RowMetric):
    """Share of the answer's words that the input has: needs the row."""

    name = "words_of_input"
    tasks = frozenset(Task)
    reads = ("prediction.text", "row.input_text")

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        given, words = set(row.input_text.lower().split()), prediction.answer.lower().split()
        return sum(word in given for word in words) / len(words) if words else None


class IsJson(RowMetric):
    """Share of answers that are whole JSON: needs no reference, but the state, for a cut answer is none."""

    name = "is_json"
    tasks = frozenset({Task.GENERATION})
    reads = ("prediction.text",)
    is_proportion = True

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float:
        try:
            json.loads(prediction.answer)
        except ValueError:
            return 0.0
        return float(prediction.state is not PredictionState.UNFINISHED)


@dataclass(frozen=True, slots=True)
class Timed(Prediction):
    """A prediction that knows how long it took."""

    seconds: float | None = None


class SecondsAWord(Metric):
    """Seconds over words of all answers: needs what a prediction carries, and is no mean of rows."""

    name = "seconds_a_word"
    tasks = frozenset(Task)
    reads = ("prediction.text", "prediction.seconds")
    higher_is_better = False

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        return np.array([(one.seconds, len(one.answer.split())) for one in predictions if isinstance(one, Timed)], dtype=np.float64)

    @override
    def value(self, totals: Array) -> Array:
        return np.asarray(totals[..., 0] / np.maximum(totals[..., 1], 1))


@pytest.fixture(autouse=True)
def with_own_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    for metric in (WordsOfInput, IsJson, SecondsAWord):
        monkeypatch.setitem(METRICS.entries, metric.name, metric)


def measured(rows: list[EvalRow], metric: str, **answers: Sequence[Prediction]) -> Any:
    by_id = {system: {prediction.id: prediction for prediction in predictions} for system, predictions in answers.items()}
    roles = dict(zip(answers, (Role.TUNED, Role.BASE), strict=False))
    return measure(rows, {"t": (metric,)}, by_id, roles, CONFIG)


WORDS = chats(["positive", "negative", "negative"], ["positive", "positive", "negative"])
TEXTS = chats(["a b c", "a b"], ["a b d", "a b"])


# Right with 0.9, wrong with 0.8, right with 0.6.
SURE = with_choices((0, (0.9, 0.1)), (1, (0.8, 0.2)), (1, (0.4, 0.6)))
FACTS = chats(["customer 5402 has MK401-27KX", "MK401-27KX"], ["customer 5402", "MK401-27KX"])

_TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}
    for name in "fg"
]


def with_schema() -> tuple[list[EvalRow], list[Prediction]]:
    rows, predictions = chats(['{"a": 1}', '{"a": "x"}', "no"], ['{"a": 2}'] * 3)
    return [replace(row, schema={"properties": {"a": {"type": "integer"}}}) for row in rows], predictions


# Wrong arguments, a wrong name, right, and a call where words are expected.
CALLS = calling(
    [
        [{"name": "f", "arguments": {"a": "1"}}],
        [{"name": "g", "arguments": {"a": 1}}],
        [{"name": "f", "arguments": {"a": 1.0}}],
        [{"name": "f", "arguments": {}}],
    ],
    [[{"name": "f", "arguments": {"a": 1}}]] * 3 + [[]],
    _TOOLS,
)


def with_parts(task: Task, *parts: tuple[PartScore, ...]) -> tuple[list[EvalRow], list[Prediction]]:
    """Returns rows of a task that is read, and what a system says of their parts."""
    rows, predictions = chats([None] * len(parts), ["x"] * len(parts))
    more: dict[Task, dict[str, Any]] = {
        Task.TEXT: {"text": "x", "messages": None},
        Task.PREFERENCE: {"rejected": [{"role": "assistant", "content": "y"}]},
        Task.UNPAIRED: {"wanted": True},
    }
    return [replace(row, **more.get(task, {})) for row in rows], [
        replace(one, parts=own) for one, own in zip(predictions, parts, strict=True)
    ]


def pair_of(chosen: float | None, rejected: float | None, *scores: float) -> tuple[PartScore, ...]:
    first, second = scores or (chosen, rejected)
    return PartScore("chosen", 2, chosen, first), PartScore("rejected", 3, rejected, second)


DOCUMENTS = with_parts(
    Task.TEXT,
    (PartScore("text", 3, -3.0 * math.log(2), num_bytes=6), PartScore("end", 1, -1.0 * math.log(2))),
    (PartScore("text", 0, 0.0), PartScore("end", 1, -2.0 * math.log(2))),
)
TURNS = with_parts(Task.GENERATION, (PartScore("turn 1", 2, -1.0), PartScore("turn 2", 6, -2.0)), (PartScore("turn 1", 2, -7.0),))
PAIRS = with_parts(Task.PREFERENCE, pair_of(-3.0, -5.0, 1.0, 2.0), pair_of(-4.0, -1.0, 0.5, 0.0))
REWARDS = with_parts(Task.PREFERENCE, pair_of(None, None, 3.0, 1.0), pair_of(None, None, 0.0, 1.0))
JUDGED = with_parts(
    Task.UNPAIRED,
    *((PartScore(name, 1, nats, score),) for name, nats, score in
      [("wanted", -1.0, 0.9), ("wanted", -4.0, 0.2), ("unwanted", -2.0, 0.2), ("unwanted", -6.0, 0.5)]),
)  # fmt: skip


# Metric -> examples, and its value worked out by hand.
BY_HAND: dict[str, tuple[tuple[list[EvalRow], list[Prediction]], float]] = {
    "accuracy": (WORDS, 2 / 3),
    "aurc": (SURE, (0 + 1 / 2 + 1 / 3) / 3),
    # Runs of the two answers: 8 of 9 words, 6 of 7 pairs, 4 of 5, 2 of 3, and both are as long as they should be.
    "bleu": (chats(["a b c d e", "a b c d"], ["a b c d f", "a b c d"]), 100 * (8 / 9 * 6 / 7 * 4 / 5 * 2 / 3) ** (1 / 4)),
    "brier": (SURE, (2 * 0.1**2 + 2 * 0.8**2 + 2 * 0.4**2) / 3),
    # 3 of 4 characters, 1 of 2 pairs of them, 1 of 2 words; the same both ways.
    "chrf": (chats(["ab", "ab"], ["ab", "ac"]), 100 * (3 / 4 + 1 / 2 + 1 / 2) / 3),
    "copy_rate": (chats(["one two three four", "two three four six seven", "one"], [""] * 3, "One two, three four five"), 1 / 2),
    "distinct_2": (chats(["a b a b", "a b", "a"], [""] * 3), (2 / 3 + 1) / 2),
    "ece": (SURE, (0.1 + 0.8 + 0.4) / 3),
    "exact_match": (WORDS, 2 / 3),
    "fact_precision": (FACTS, (1 / 2 + 1) / 2),
    "fact_recall": (chats(["customer 5402", "x"], ["customer 5402 has MK401-27KX", "MK401-27KX"]), 1 / 4),
    "format_valid": (chats(['{"a": 1}', "a: 1", "-"], ['{"b": 2}', '{"b": 2}', "prose"]), 1 / 2),
    "hallucination": (FACTS, 1 / 2),
    "hit_at_k": (with_passages(("Anna", ("The waiter is Anna.",)), ("soup", ("x", "The Soup!")), ("tea", ())), 2 / 3),
    "length_ratio": (chats(["a b c", "a"], ["a", "a"]), 2.0),
    "macro_f1": (WORDS, 2 / 3),
    # Positive: 1 of 1 predicted, 1 of 2 found; negative: 1 of 2 and 1 of 1.
    "macro_precision": (WORDS, 3 / 4),
    "macro_recall": (WORDS, 3 / 4),
    "mcc": (WORDS, 1 / 2),
    "mrr": (with_passages(("Anna", ("The waiter is Anna.",)), ("soup", ("x", "The Soup!")), ("tea", ())), (1 + 1 / 2 + 0) / 3),
    "negation_flips": (chats(["The patient has no fever.", "The patient has a fever."], ["The patient has a fever."] * 2), 1 / 2),
    "nll": (with_choices((0, (0.5, 0.5)), (1, (0.25, 0.75))), (math.log(2) - math.log(0.75)) / 2),
    "normalised_match": (chats(["The soup!", "soup"], ["soup", "cold soup"]), 1 / 2),
    "rouge1": (TEXTS, 5 / 6),
    "rouge2": (TEXTS, 3 / 4),
    "rougeL": (TEXTS, 5 / 6),
    # The lines in another order: nothing is lost, where rougeL keeps one of the two.
    "rougeLsum": (chats(["c d\na b", "a"], ["a b\nc d", "b"]), 1 / 2),
    # Words and trigrams: nothing in common; marks (there are none) and lengths: the same.
    "style_distance": (chats(["a", "a"], ["b", "b"]), (1 + 1 + 0 + 0) / 4),
    "token_f1": (chats(["the cold soup", "x"], ["soup", "y"]), (2 / 3 + 0) / 2),
    "verbalizer_mass": (with_choices((0, (0.3, 0.2)), (0, (0.6, 0.3)), (0, (0.6, 0.6))), (0.5 + 0.9) / 2),
    "acc_norm": (SURE, 2 / 3),
    "acc_bytes": (SURE, 2 / 3),
    "weighted_f1": (chats(["a", "b", "b"], ["a", "a", "b"]), (2 * 2 / 3 + 1 * 2 / 3) / 3),
    "words_of_input": (chats(["the soup", "soup cold"], ["", ""], "Taste the soup"), 3 / 4),
    "json_f1": (chats(['{"a": 1, "b": 2}', "no"], ['{"a": 1.0, "b": 3}', '{"a": 1}']), 2 / 5),
    "json_valid": (chats(['{"a": 1, "b": 2}', "no"], ['{"a": 1.0, "b": 3}', '{"a": 1}']), 1 / 2),
    "json_schema_valid": (with_schema(), 1 / 3),
    "tool_call_match": (CALLS, 1 / 4),
    "tool_name": (CALLS, 2 / 3),
    "tool_arguments": (CALLS, 2 / 3),
    "tool_schema_valid": (CALLS, 2 / 3),
    "text_nll": (DOCUMENTS, 6 * math.log(2) / 5),
    "bits_per_byte": (DOCUMENTS, 3 / 6),
    "answer_nll": (TURNS, 10 / 10),
    "preference_accuracy": (PAIRS, 1 / 2),
    "likelihood_accuracy": (PAIRS, 1 / 2),
    "preference_margin": (PAIRS, (2 - 3) / 2),
    "reward_margin": (REWARDS, (2 - 1) / 2),
    "unpaired_auc": (JUDGED, (2 + 1 / 2) / 4),
    "unpaired_margin": (JUDGED, -2.5 + 4),
    "is_json": (chats(["{}", "{"], ["", ""]), 1 / 2),
}


@pytest.mark.parametrize("name", sorted({*METRICS.entries, "words_of_input", "is_json"}))
def test_every_metric_keeps_the_contract(name: str) -> None:
    examples, value = BY_HAND[name]
    check_metric(METRICS.get(name), *examples, value=value)


class Unsound(RowMetric):
    """One that can be broken."""

    name = "unsound"
    tasks = frozenset(Task)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        return float(prediction.text == row.reference)


class FirstCounts(Unsound):
    """The first example counts twice."""

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        return np.asarray(super().statistics(rows, predictions) * np.array([2.0, 1.0, 1.0])[:, None])


class NoSum(Unsound):
    @override
    def value(self, totals: Array) -> Array:
        return np.asarray((totals[..., 0] / totals[..., 1]) if totals.ndim == 1 else totals[..., 0] * 0)


@pytest.mark.parametrize(
    ("base", "changes", "cause"),
    [
        (Unsound, {"__doc__": ""}, "has no docstring"),
        (Unsound, {"tasks": frozenset()}, "about no task"),
        (Unsound, {"reads": ("answer.text",)}, "neither row nor prediction"),
        (Unsound, {"reads": ("row.label",)}, "counts none of the examples"),
        (Unsound, {"score": lambda *_: 0.5}, r"is 0\.5, and not 0\.66"),
        (Unsound, {"score": lambda *_: float("nan")}, "are no numbers"),
        (Unsound, {"score": lambda _, row, __: 2.0 if row.id == "0" else 0.0, "is_proportion": True}, "says that it is a proportion"),
        (Unsound, {"statistics": lambda *_: np.ones(3)}, "one row an example"),
        (NoSum, {"__doc__": "x"}, "gives another value beside another sum"),
    ],
)
def test_each_way_to_break_the_contract_is_told(base: type[Metric], changes: dict[str, Any], cause: str) -> None:
    broken = type("Broken", (base,), {"__doc__": base.__doc__, **changes})
    with pytest.raises(AssertionError, match=cause):
        check_metric(broken, *WORDS, value=2 / 3)


def test_a_metric_that_depends_on_the_order_is_told() -> None:
    with pytest.raises(AssertionError, match="depends on the order"):
        check_metric(FirstCounts, *chats(["a", "b", "c"], ["a", "a", "a"]), value=1 / 2)


def test_a_metric_reads_the_input() -> None:
    rows, predictions = written(["the soup", "soup cold", ""], ["a", "b", "c"], question="Taste the soup")
    assert WordsOfInput().row_scores(rows, predictions) == [1.0, 0.5, None]
    found = measured(rows, "words_of_input", tuned=predictions)
    assert found.values["tuned"]["words_of_input"].value == pytest.approx(0.75)
    assert found.scores_of("tuned", 1) == {"words_of_input": 0.5} and found.scores_of("tuned", 2) == {}


def test_a_metric_reads_text_and_state_alone() -> None:
    rows, predictions = written(['{"a": 1}', "{", "[1]", None], ["", "", "", ""])
    tuned = [predictions[0], predictions[1], Prediction("2", PredictionState.UNFINISHED, "[1]"), Prediction("3", PredictionState.ERROR)]
    base = [Prediction(row.id, PredictionState.OK, "no") for row in rows]
    found = measured(rows, "is_json", tuned=tuned, base=base)
    assert found.values["tuned"]["is_json"].value == pytest.approx(1 / 3), "an example that is not scored does not count"
    assert (found.pairs[0].test, found.pairs[0].n) == ("mcnemar_exact", 3)


def test_a_metric_reads_what_a_prediction_carries_and_leaves_out_who_has_none() -> None:
    rows, predictions = written(["a b", "c", "d e f"], ["", "", ""])
    timed = [
        Timed(one.id, PredictionState.OK, one.text, seconds=seconds) for one, seconds in zip(predictions, (1.0, None, 4.0), strict=True)
    ]
    found = measured(rows, "seconds_a_word", tuned=timed, base=timed[:1])
    assert found.values["tuned"]["seconds_a_word"].value == pytest.approx(1.0)
    assert found.columns["tuned"]["seconds_a_word"].counted.tolist() == [True, False, True]
    assert found.scores_of("tuned", 0) == {}, "a metric of sets of rows gives no row a score"
    assert (found.pairs[0].n, found.pairs[0].difference) == (1, 0.0)


def test_only_what_a_metric_reads_must_be_there() -> None:
    (row,), (prediction,) = written([None], ["x"])
    exact_match = METRICS.get("exact_match")()
    assert not exact_match.counts(row, prediction)
    assert not exact_match.counts(row, Prediction(row.id, PredictionState.ERROR, "x")), "the state says that it is not scored"
    assert exact_match.counts(row, Prediction(row.id, PredictionState.UNFINISHED, "x"))
    chosen = Prediction(row.id, PredictionState.OK, loglikelihoods=(-1.0, -2.0))
    assert not METRICS.get("nll")().counts(row, chosen), "the row has no label"


def test_an_own_metric_becomes_an_evaluate_metric_where_columns_can_hold_what_it_reads() -> None:
    copied = as_evaluate(WordsOfInput())
    assert copied.compute(predictions=["the soup", "cold"], inputs=["the soup", "the soup"]) == {"words_of_input": 0.5}
    both = evaluate.combine([as_evaluate(IsJson()), as_evaluate(METRICS.get("exact_match")())])
    assert both.compute(predictions=["1", "x"], references=["1", "1"]) == {"is_json": 0.5, "exact_match": 0.5}
    assert copied.compute(predictions=["soup"], inputs=["soup"]) == {"words_of_input": 1.0}, "nothing is kept of an earlier call"
    with pytest.raises(UserError, match=r"reads prediction\.text, prediction\.seconds"):
        as_evaluate(SecondsAWord())


def test_metrics_are_imported_without_torch_and_what_comes_with_it() -> None:
    program = (
        "import sys; from evals.metrics.base import METRICS; names = [*METRICS.entries]\n"
        "slow = {'torch', 'evaluate', 'datasets', 'sklearn', 'scipy', 'peft', 'transformers', 'sacrebleu', 'rouge_score'}\n"
        "print(len(names), *sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [str(len(METRIC_IDS))]


def test_a_metric_itself_brings_in_neither_polars_nor_pydantic() -> None:
    """Half of the time that importing a metric took, and nothing that it uses."""
    program = "import sys, evals.metrics.base; print(*sorted({'polars', 'pydantic', 'prep', 'train'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == []


def test_every_metric_of_ours_says_its_range() -> None:
    assert [name for name in METRIC_IDS if METRICS.get(name).value_range is None] == []


def test_a_value_beyond_the_range_is_told() -> None:
    broken = type("Broken", (Unsound,), {"__doc__": "x", "value_range": (0.0, 0.5)})
    with pytest.raises(AssertionError, match=r"lies between 0\.0 and 0\.5"):
        check_metric(broken, *WORDS, value=2 / 3)


def test_a_metric_that_describes_answers_decides_nothing() -> None:
    rows, tuned = written(["a b c", "a"], ["a", "a"])
    base = [replace(one, text="a") for one in tuned]
    found = measured(rows, "length_ratio", tuned=tuned, base=base)
    assert found.values["tuned"]["length_ratio"].value == 2.0
    line, detail = judge({"tuned": Role.TUNED, "base": Role.BASE}, found.pairs, "length_ratio", 0.95)
    assert line == "cannot tell: length_ratio describes answers, and neither more nor less of it is better"
    assert detail.outcome == "cannot tell"
    assert METRICS.get("length_ratio").is_gain(0.1) is None
    assert METRICS.get("nll").is_gain(-0.1) and not METRICS.get("accuracy").is_gain(-0.1)


def test_seeds_that_predict_other_classes_have_the_same_columns() -> None:
    rows, _ = chats([None] * 2, ["", ""])
    rows = [replace(row, choices=["a", "b", "c"], label=0) for row in rows]
    of_seeds = [[Prediction(row.id, PredictionState.OK, word) for row in rows] for word in ("a", "c")]
    both = [replace(first, of_seeds=(first, second)) for first, second in zip(*of_seeds, strict=True)]
    for name in ("macro_f1", "mcc", "weighted_f1"):
        found = measured(rows, name, tuned=both)
        assert found.columns["tuned"][name].sums.shape == found.columns["tuned"][name].by_seed[1].sums.shape
        assert found.values["tuned"][name].value is not None


def test_answers_that_are_neither_ahead_count_half_and_are_resampled() -> None:
    rows, predictions = with_parts(Task.PREFERENCE, pair_of(-1.0, -1.0), pair_of(-1.0, -2.0), pair_of(-3.0, -2.0), pair_of(-1.0, -2.0))
    found = measured(rows, "preference_accuracy", tuned=predictions, base=predictions)
    assert found.values["tuned"]["preference_accuracy"].value == pytest.approx(2.5 / 4)
    assert found.pairs[0].test == "bootstrap", "McNemar's test knows no half"


def test_metrics_of_parts_say_nothing_of_who_has_none() -> None:
    rows, predictions = PAIRS
    rewards = [replace(one, id=row.id) for row, one in zip(rows, REWARDS[1], strict=True)]
    assert measured(rows, "preference_margin", tuned=rewards, base=predictions).values["tuned"]["preference_margin"].value is None
    assert measured(rows, "reward_margin", tuned=predictions).values["tuned"]["reward_margin"].value is None
    texts = [Prediction(row.id, PredictionState.OK, "x") for row in rows]
    assert measured(rows, "preference_accuracy", tuned=texts).values["tuned"] == {}


def test_an_order_of_many_answers_is_that_of_scikit_learn_but_for_neighbours() -> None:
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(0)
    for count, tolerance in ((256, 1e-12), (2000, 2e-3)):
        wanted = generator.random(count) < 0.4
        scores = generator.normal(size=count) + wanted
        parts = ((PartScore("wanted" if one else "unwanted", 1, -1.0, float(score)),) for one, score in zip(wanted, scores, strict=True))
        rows, predictions = with_parts(Task.UNPAIRED, *parts)
        metric = METRICS.get("unpaired_auc")()
        found = float(metric.value(metric.statistics(rows, predictions).sum(axis=0)))
        assert found == pytest.approx(roc_auc_score(wanted, scores), abs=tolerance)
