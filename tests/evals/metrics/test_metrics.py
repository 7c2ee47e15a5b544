"""Each metric against scikit-learn, rouge-score or a value made by hand."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sklearn.metrics import accuracy_score, f1_score, log_loss, matthews_corrcoef, precision_score, recall_score

from evals.metrics.as_evaluate import as_evaluate
from evals.metrics.base import METRICS
from evals.metrics.generation.rouge import rouge_f
from tests.evals.conftest import with_choices, written

LABELS = ["negative", "neutral", "positive"]
ENGLISH = st.text(alphabet="abcdeXYZ019 .,'-_!?\n", max_size=60)


def compute(name: str, predictions: list[Any], references: list[Any]) -> float:
    return float(as_evaluate(METRICS.get(name)()).compute(predictions=predictions, references=references)[name])


def random_answers(seed: int, count: int = 60) -> tuple[list[str], list[str]]:
    chosen = random.Random(seed)
    references = [chosen.choice(LABELS) for _ in range(count)]
    predictions = [reference if chosen.random() < 0.6 else chosen.choice(LABELS) for reference in references]
    return predictions, references


def test_every_metric_is_documented_and_an_evaluate_metric_under_its_own_name() -> None:
    for name, metric in METRICS.entries.items():
        assert metric.__doc__ and metric.tasks and metric.name == name
        if "prediction.parts" in metric.reads:
            continue  # which no column of texts holds
        made = as_evaluate(metric())
        assert isinstance(made, evaluate.Metric)
        assert made.name == metric.name == name


@pytest.mark.parametrize("seed", range(3))
def test_classification_metrics_equal_scikit_learn(seed: int) -> None:
    predictions, references = random_answers(seed)
    assert compute("accuracy", predictions, references) == pytest.approx(accuracy_score(references, predictions))
    assert compute("macro_f1", predictions, references) == pytest.approx(f1_score(references, predictions, average="macro"))
    assert compute("mcc", predictions, references) == pytest.approx(matthews_corrcoef(references, predictions))
    assert compute("weighted_f1", predictions, references) == pytest.approx(f1_score(references, predictions, average="weighted"))
    assert compute("macro_precision", predictions, references) == pytest.approx(precision_score(references, predictions, average="macro"))
    assert compute("macro_recall", predictions, references) == pytest.approx(recall_score(references, predictions, average="macro"))


@pytest.mark.filterwarnings("ignore:.*ill-defined")
def test_macro_f1_counts_a_class_that_is_never_predicted() -> None:
    predictions, references = ["a", "a", "a"], ["a", "a", "b"]
    assert compute("macro_f1", predictions, references) == pytest.approx(f1_score(references, predictions, average="macro"))
    assert compute("mcc", predictions, references) == 0.0
    assert compute("macro_precision", predictions, references) == pytest.approx(precision_score(references, predictions, average="macro"))
    assert compute("macro_recall", predictions, references) == pytest.approx(recall_score(references, predictions, average="macro")) == 0.5


def test_nll_equals_log_loss() -> None:
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(20, 3)) * 4 - 10
    labels = generator.integers(0, 3, size=20)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert compute("nll", scores.tolist(), labels.tolist()) == pytest.approx(log_loss(labels, probabilities, labels=[0, 1, 2]))
    assert compute("nll", [[-3.0, -3.0]], [0]) == pytest.approx(math.log(2))


def test_choices_are_compared_for_their_length() -> None:
    """Of -6 nats for 3 letters and -8 for 8 the second is better for its length; by bytes the Chinese word is the longer one."""
    choices = ["bad", "passable"]
    [row], [prediction] = with_choices((1, (math.exp(-6), math.exp(-8))))
    row = replace(row, choices=choices, words=None)
    score = {name: METRICS.get(name)().row_scores([row], [prediction])[0] for name in ("acc_norm", "acc_bytes")}
    assert score == {"acc_norm": 1.0, "acc_bytes": 1.0} and prediction.loglikelihoods == pytest.approx((-6, -8))
    chinese = replace(row, choices=["不好", "fine"], label=1)  # two characters of six bytes, four of four: -3 and -2, -1 and -2
    assert METRICS.get("acc_norm")().row_scores([chinese], [prediction]) == [1.0]
    assert METRICS.get("acc_bytes")().row_scores([chinese], [prediction]) == [0.0]


def test_choices_of_several_words_or_no_numbers_have_no_length() -> None:
    [row], [prediction] = with_choices((1, (0.6, 0.4)))
    assert row.choices is not None
    said = replace(row, words=tuple((choice, choice + "!") for choice in row.choices))
    lost = replace(prediction, loglikelihoods=(math.nan, -1.0))
    for name in ("acc_norm", "acc_bytes"):
        assert METRICS.get(name)().row_scores([said, row], [prediction, lost]) == [None, None]


def test_metrics_combine_and_stay_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a metric went to the network"))
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path / "cache"))
    combined = evaluate.combine([as_evaluate(METRICS.get(name)()) for name in ("accuracy", "macro_f1", "exact_match")])
    result = combined.compute(predictions=["a", "b", "b"], references=["a", "b", "a"])
    assert result == pytest.approx({"accuracy": 2 / 3, "macro_f1": 2 / 3, "exact_match": 2 / 3})
    rouge = evaluate.combine([as_evaluate(METRICS.get(name)()) for name in ("rouge1", "rougeL")])
    assert rouge.compute(predictions=["a b"], references=["a c"]) == pytest.approx({"rouge1": 0.5, "rougeL": 0.5})
    assert not (tmp_path / "cache").exists(), "a metric wrote to the cache folder"


@given(prediction=ENGLISH, reference=ENGLISH)
def test_rouge_equals_rouge_score_on_english(prediction: str, reference: str) -> None:
    expected = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"]).score(reference, prediction)
    for kind, score in expected.items():
        assert rouge_f(kind, prediction, reference) == pytest.approx(score.fmeasure)


@pytest.mark.parametrize(
    "text",
    ["这家餐馆的汤很好喝。", "とても美味しいラーメンでした", "Вкусный суп", "यह सूप अच्छा है", "الحساء جيد جدا", "수프가 맛있다", "ซุปอร่อย"],
)
def test_rouge_of_identical_texts_of_any_script_is_one(text: str) -> None:
    for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
        assert compute(kind, [text], [text]) == 1.0


def test_rouge_counts_chinese_characters() -> None:
    # 4 of 5 characters each way, and the pairs 好吃 | 吃的 | 的面 share one with 好吃 | 吃汤 ... counted by hand.
    assert compute("rouge1", ["好吃的面条"], ["好吃的汤条"]) == pytest.approx(0.8)
    assert compute("rouge2", ["好吃的面条"], ["好吃的汤条"]) == pytest.approx(0.5)
    assert compute("rougeL", ["好吃的面条"], ["条面的吃好"]) == pytest.approx(0.2)


def test_rouge_keeps_an_accented_word_whole() -> None:
    assert compute("rouge1", ["straße"], ["straße"]) == 1.0
    assert compute("rouge1", ["strasse"], ["straße"]) == 0.0


def test_fact_recall_counts_typed_facts() -> None:
    reference = "MK401-27KX reported damaged by customer 5402 on 5 March 2024."

    def score(prediction: str, reference: str) -> float | None:
        return METRICS.get("fact_recall")().row_scores(*written([prediction], [reference]))[0]

    assert score(reference, reference) == 1.0
    assert score("MK401-27KX arrived broken for customer 5402 on 2024-03-05", reference) == 1.0
    assert score("Customer 5402 has a damaged part.", reference) == pytest.approx(1 / 3)
    assert score("MK401-27KY, customer 5403", reference) == 0.0
    assert score("anything", "One of them was late.") is None


def test_rows_without_a_fact_do_not_count() -> None:
    assert compute("fact_recall", ["nothing", "MK401-27KX"], ["no fact here", "the MK401-27KX"]) == 1.0


def test_metrics_of_calls_take_calls_as_openai_has_them() -> None:
    def calls(**arguments: Any) -> str:
        return json.dumps([{"function": {"name": "clock", "arguments": json.dumps(arguments)}}])

    tools = json.dumps([{"type": "function", "function": {"name": "clock", "parameters": {"required": ["zone"]}}}])
    given = {"predictions": [calls(zone="CET"), calls()], "references": [calls(zone="CET")] * 2}
    both = evaluate.combine([as_evaluate(METRICS.get(name)()) for name in ("tool_name", "tool_arguments")])
    assert both.compute(**given) == {"tool_name": 1.0, "tool_arguments": 0.5}
    assert as_evaluate(METRICS.get("tool_schema_valid")()).compute(**given, tools=[tools] * 2) == {"tool_schema_valid": 0.5}


def test_exact_match_strips_nothing() -> None:
    assert compute("exact_match", ["a", "a ", "A"], ["a", "a", "a"]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "mcc", "weighted_f1"])
def test_statistics_add_up_over_rows(name: str) -> None:
    metric = METRICS.get(name)()
    predictions, references = random_answers(5)
    statistics = metric.statistics(*written(predictions, references))
    half = statistics[::2].sum(axis=0)
    # The classes of the whole set: a resample without one class must not shift the columns.
    expected = {
        "accuracy": accuracy_score,
        "macro_f1": lambda r, p: f1_score(r, p, average="macro"),
        "mcc": matthews_corrcoef,
        "weighted_f1": lambda r, p: f1_score(r, p, average="weighted"),
    }
    assert float(metric.value(half)) == pytest.approx(expected[name](references[::2], predictions[::2]))
    stacked = metric.value(np.stack([half, statistics.sum(axis=0)]))
    assert stacked.shape == (2,) and float(stacked[0]) == pytest.approx(float(metric.value(half)))
