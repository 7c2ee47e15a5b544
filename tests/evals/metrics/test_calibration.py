"""Calibration and abstention: against scikit-learn, against the definition written out, and by hand."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from evals.compare.measure import measure
from evals.config import EvalsConfig
from evals.data.role import Role
from evals.metrics.as_evaluate import as_evaluate
from evals.metrics.base import METRICS, Array
from evals.metrics.calibration.aurc import NUM_RANKS
from evals.metrics.calibration.curves import Bools, reliability, risk_coverage
from evals.testing import chats
from tests.evals.conftest import with_choices


def compute(name: str, predictions: list[Any], references: list[Any]) -> float:
    return float(as_evaluate(METRICS.get(name)()).compute(predictions=predictions, references=references)[name])


def scores(seed: int, count: int, num_choices: int = 3, *, decimals: int | None = None) -> tuple[Array, Array, Any]:
    """Returns random log-likelihoods and labels that they know something of, and the probabilities."""
    generator = np.random.default_rng(seed)
    likelihoods = generator.normal(size=(count, num_choices)) * 2
    probabilities = np.exp(likelihoods) / np.exp(likelihoods).sum(axis=1, keepdims=True)
    labels = np.array([generator.choice(num_choices, p=shares) for shares in probabilities])
    if decimals is not None:
        probabilities = np.round(probabilities, decimals) + 1e-9
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    return np.log(probabilities), probabilities, labels


def exact_aurc(confidence: Array, right: Bools) -> float:
    """The definition, written out: the mean of the risks of the k surest, all answers of different confidence."""
    order = np.argsort(-confidence)
    return float((np.cumsum(~right[order]) / np.arange(1, len(right) + 1)).mean())


@pytest.mark.parametrize("num_choices", [2, 5])
def test_brier_is_that_of_scikit_learn(num_choices: int) -> None:
    likelihoods, probabilities, labels = scores(1, 60, num_choices)
    expected = brier_score_loss(labels, probabilities, labels=list(range(num_choices)), scale_by_half=False)
    assert compute("brier", likelihoods.tolist(), labels.tolist()) == pytest.approx(expected)


def test_ece_is_the_mean_gap_of_the_reliability_bins() -> None:
    likelihoods, probabilities, labels = scores(2, 200)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = reliability(confidence, right)
    assert sum(one.num_answers for one in bins) == 200
    gap = sum(one.num_answers * abs(one.accuracy - one.mean_confidence) for one in bins) / 200
    assert compute("ece", likelihoods.tolist(), labels.tolist()) == pytest.approx(gap)
    assert gap < 0.15, "the labels are drawn by these very probabilities"


def test_reliability_by_hand() -> None:
    confidence, right = np.array([0.5, 0.45, 1.0, 0.95, 0.05]), np.array([True, False, True, True, False])
    found = reliability(confidence, right, num_bins=2)
    # 0.5 is the upper end of the first bin.
    assert [(one.num_answers, round(one.mean_confidence, 6), round(one.accuracy, 6)) for one in found] == [
        (3, 0.333333, 0.333333),
        (2, 0.975, 1.0),
    ]
    assert found[1].low == pytest.approx(0.342380, abs=1e-6) and found[1].high == 1.0, "Wilson's interval of 2 of 2"
    assert reliability(np.array([0.3]), np.array([True]), num_bins=10)[0] == reliability(np.array([0.3]), np.array([True]), num_bins=3)[0]
    assert len(reliability(np.array([0.3, 0.29]), np.array([True, True]), num_bins=10)) == 1, "0.3 ends the third bin of ten"
    assert reliability(np.zeros(0), np.zeros(0, dtype=bool)) == []


def test_the_risk_coverage_curve_by_hand() -> None:
    coverage, risk = risk_coverage(np.array([0.6, 0.9, 0.8, 0.8]), np.array([True, True, False, True]))
    assert coverage.tolist() == [0.25, 0.75, 1.0], "no threshold tells answers of one confidence apart"
    assert risk.tolist() == pytest.approx([0, 1 / 3, 1 / 4])
    assert [one.tolist() for one in risk_coverage(np.zeros(0), np.zeros(0, dtype=bool))] == [[], []]


@pytest.mark.parametrize("count", [2, 40, NUM_RANKS])
def test_aurc_is_exact_where_each_confidence_has_its_rank(count: int) -> None:
    likelihoods, probabilities, labels = scores(3, count)
    expected = exact_aurc(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    assert compute("aurc", likelihoods.tolist(), labels.tolist()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("count", [NUM_RANKS + 1, 500, 3000])
def test_aurc_of_ranks_is_near_the_exact_one(count: int) -> None:
    for seed in range(5):
        likelihoods, probabilities, labels = scores(seed, count)
        expected = exact_aurc(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
        assert compute("aurc", likelihoods.tolist(), labels.tolist()) == pytest.approx(expected, abs=1e-3)


def test_aurc_takes_equal_confidences_in_any_order() -> None:
    likelihoods, probabilities, labels = scores(4, 60, 2, decimals=1)
    confidence, right = np.round(probabilities.max(axis=1), 6), probabilities.argmax(axis=1) == labels
    generator = np.random.default_rng(0)
    drawn = [exact_aurc(confidence + generator.random(60) * 1e-9, right) for _ in range(3000)]
    assert compute("aurc", likelihoods.tolist(), labels.tolist()) == pytest.approx(
        float(np.mean(drawn)), abs=4 * float(np.std(drawn)) / 3000**0.5
    )
    always = [[math.log(0.8), math.log(0.2)]] * 4
    assert compute("aurc", always, [0, 0, 1, 0]) == pytest.approx(0.25), "a confidence that says nothing gives the error rate"


def test_aurc_has_an_interval_and_a_paired_difference() -> None:
    rows, good = with_choices(
        *((0, (share, 1 - share)) for share in (0.9, 0.8, 0.7, 0.95)), *((1, (share, 1 - share)) for share in (0.55, 0.6))
    )
    _, poor = with_choices(
        *((0, (share, 1 - share)) for share in (0.55, 0.6, 0.7, 0.65)), *((1, (share, 1 - share)) for share in (0.95, 0.9))
    )
    answers = {name: {one.id: one for one in some} for name, some in (("good", good), ("poor", poor))}
    roles = {"good": Role.TUNED, "poor": Role.BASE}
    found = measure(rows, {"t": ("aurc", "ece", "brier")}, answers, roles, EvalsConfig(num_resamples=2000))
    value = found.values["good"]["aurc"]
    assert value.value is not None and value.value == pytest.approx((1 / 5 + 2 / 6) / 6)
    assert value.low is not None and value.high is not None and value.low < value.value < value.high
    pair = next(pair for pair in found.pairs if pair.metric == "aurc")
    assert pair.difference is not None and pair.difference == pytest.approx(
        (1 / 5 + 2 / 6) / 6 - (1 + 1 + 2 / 3 + 2 / 4 + 2 / 5 + 2 / 6) / 6
    )
    assert pair.low is not None and pair.high is not None and pair.low < pair.difference < pair.high


def test_likelihoods_that_are_no_numbers_count_for_nothing() -> None:
    for name in ("ece", "aurc", "brier"):
        metric = METRICS.get(name)()
        rows, predictions = with_choices((0, (0.9, 0.1)), (0, (0.6, 0.4)))
        predictions[1] = replace(predictions[1], loglikelihoods=(math.nan, -1.0))
        both = metric.statistics(rows, predictions)
        assert not both[1].any() and float(metric.value(both.sum(axis=0))) == float(
            metric.value(metric.statistics(rows[:1], predictions[:1])[0])
        )
        assert math.isnan(float(metric.value(np.zeros(both.shape[1]))))


@pytest.mark.parametrize(
    ("choices", "shares", "expected"),
    [
        (["yes", "no"], (0.3, 0.2), 0.5),
        (["yes", "no"], (0.9, 0.2), None),  # more than there is
        (["good", "good enough"], (0.3, 0.2), None),  # the one is a beginning of the other, and would be counted twice
        (["yes", "no"], (0.5, 0.50001), 1.0),  # float32
    ],
)
def test_verbalizer_mass_is_null_where_sums_are_no_probabilities(
    choices: list[str], shares: tuple[float, ...], expected: float | None
) -> None:
    (row,), (prediction,) = with_choices((0, shares))
    row = replace(row, choices=choices)
    assert METRICS.get("verbalizer_mass")().row_scores([row], [prediction])[0] == (None if expected is None else pytest.approx(expected))
    row = replace(row, words=(("yes", "yess"), ("no",)))
    assert METRICS.get("verbalizer_mass")().row_scores([row], [prediction]) == [None]


def test_what_has_no_choices_has_no_calibration() -> None:
    (row,), (prediction,) = chats(["a"], ["a"])
    assert not any(METRICS.get(name)().counts(row, prediction) for name in ("ece", "aurc", "brier", "verbalizer_mass"))


def test_the_interval_of_ece_holds_the_error_of_an_overconfident_system() -> None:
    metric, held = METRICS.get("ece")(), 0
    likelihoods, _, labels = scores(0, 12_000)
    sharper = (2 * likelihoods).tolist()
    truth = compute("ece", sharper, labels.tolist())
    assert truth > 0.1
    for start in range(0, 12_000, 300):
        part = slice(start, start + 300)
        rows, predictions = chats([None] * 300, [""] * 300)
        rows = [replace(row, choices=["a", "b", "c"], label=int(label)) for row, label in zip(rows, labels[part], strict=True)]
        made = [replace(one, loglikelihoods=tuple(some), text="a") for one, some in zip(predictions, sharper[part], strict=True)]
        answers = {"one": {one.id: one for one in made}}
        values = measure(rows, {"t": (metric.name,)}, answers, {"one": Role.TUNED}, EvalsConfig(num_resamples=200)).values
        found = values["one"]["ece"]
        assert found.value is not None and found.low is not None and found.high is not None and found.low <= found.value <= found.high
        held += found.low <= truth <= found.high
    assert held >= 36, "of 40"
