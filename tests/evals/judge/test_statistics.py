"""Kappa by hand, and intervals that cover as often as they say."""

import numpy as np
import pytest

from evals.config import EvalsConfig
from evals.data.contract import MetricValue
from evals.judge.agreement import agreement, between_people, kappa_of
from evals.judge.rates import corrected_share, share

CONFIG = EvalsConfig(num_resamples=400)
CONFIDENCE = 0.95


def test_kappa_is_cohens() -> None:
    """Fleiss, Levin and Paik's textbook table, and the two ends: chance alone, and nothing left to agree on."""
    table = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    assert kappa_of(table) == pytest.approx(0.6765, abs=1e-4)
    assert kappa_of(np.outer([3, 5], [4, 4])) == pytest.approx(0.0)
    assert np.isnan(kappa_of(np.array([[9, 0], [0, 0]])))
    found = agreement([("a", "a", index) for index in range(40)], ("a", "b"), CONFIG)
    assert found.kappa.value is None and found.observed.value == 1.0 and found.base_rate == 1.0


def test_kappa_is_low_where_one_verdict_is_rare_and_what_stands_beside_it_says_why() -> None:
    pairs = [("a", "a", index) for index in range(90)] + [("a", "b", 90 + index) for index in range(5)]
    found = agreement([*pairs, *[("b", "a", 95 + index) for index in range(5)]], ("a", "b"), CONFIG)
    assert found.observed.value == 0.9 and found.base_rate == 0.95
    assert found.kappa.value is not None and found.kappa.value < 0


def test_people_are_compared_in_pairs_in_both_orders() -> None:
    found = between_people([(["a", "a", "b"], 0), (["b", "b"], 1), (["a"], 2)], ("a", "b"), CONFIG)
    assert found is not None and found.num_comparisons == 4 and found.num_clusters == 2
    assert found.counts == [[2, 2], [2, 2]], "each pair both ways: a with a, a with b twice, b with b"
    assert found.kappa.value == pytest.approx(0.0)
    assert between_people([(["a"], 0), (["b"], 1)], ("a", "b"), CONFIG) is None


def _width(rate: MetricValue) -> float:
    assert rate.low is not None and rate.high is not None
    return rate.high - rate.low


def test_a_judge_that_tells_nothing_changes_nothing_and_a_perfect_one_narrows() -> None:
    chosen = np.random.default_rng(5)
    truth = (chosen.random(300) < 0.6).astype(float)
    people = np.where(np.arange(300) < 40, truth, np.nan)
    rows = np.arange(300)
    alone = share(truth[:40], rows[:40], CONFIDENCE)
    constant = corrected_share(np.ones(300), people, rows, CONFIDENCE)
    assert constant.power == 0.0 and constant.rate.model_dump() == pytest.approx(alone.model_dump())
    guess = corrected_share((chosen.random(300) < 0.5).astype(float), people, rows, CONFIDENCE)
    assert guess.power < 0.3 and _width(guess.rate) < 1.1 * _width(alone)
    perfect = corrected_share(truth, people, rows, CONFIDENCE)
    assert perfect.power > 0.8 and perfect.rate.value == pytest.approx(truth.mean(), abs=0.02)
    assert _width(perfect.rate) < 0.6 * _width(alone)
    all_labelled = corrected_share(truth, truth, rows, CONFIDENCE)
    assert all_labelled.power == 0.0 and all_labelled.rate.value == pytest.approx(truth.mean())


@pytest.mark.parametrize("rate", [0.5, 0.7, 0.9])
@pytest.mark.parametrize(("num_labelled", "errors"), [(30, (0.1, 0.4)), (60, (0.0, 0.1)), (100, (0.3, 0.3))])
def test_the_corrected_rate_covers_what_people_would_say(rate: float, num_labelled: int, errors: tuple[float, float]) -> None:
    """250 drawings of 300 examples, a tenth of them ties; a judge that errs one way more than the other, so that its own rate is off."""
    chosen = np.random.default_rng(int(1000 * rate) + num_labelled)
    covered, raw_covered, repetitions = 0, 0, 250
    for _ in range(repetitions):
        truth = np.where(chosen.random(300) < 0.1, 0.5, (chosen.random(300) < rate).astype(float))
        wrong = chosen.random(300) < np.where(truth == 1, *errors)
        judge = np.where(wrong, 1 - truth, truth)
        people = np.where(np.arange(300) < num_labelled, truth, np.nan)
        expected = 0.9 * rate + 0.05
        for values, is_raw in (
            (corrected_share(judge, people, np.arange(300), CONFIDENCE).rate, False),
            (share(judge, np.arange(300), CONFIDENCE), True),
        ):
            assert values.low is not None and values.high is not None
            inside = values.low <= expected <= values.high
            covered, raw_covered = covered + (inside and not is_raw), raw_covered + (inside and is_raw)
    assert covered / repetitions >= 0.9
    if errors == (0.1, 0.4) and rate < 0.7:
        assert raw_covered / repetitions < 0.5, "the judge's own rate is off, or this would prove nothing"


def test_the_corrected_rate_covers_with_clusters() -> None:
    """60 clusters of five rows, of which all share their truth in most cases; 20 clusters are labelled."""
    chosen = np.random.default_rng(3)
    clusters = np.repeat(np.arange(60), 5)
    covered, repetitions = 0, 250
    for _ in range(repetitions):
        shared = np.repeat((chosen.random(60) < 0.6).astype(float), 5)
        truth = np.where(chosen.random(300) < 0.7, shared, (chosen.random(300) < 0.6).astype(float))
        judge = np.where(chosen.random(300) < 0.2, 1 - truth, truth)
        people = np.where(clusters < 20, truth, np.nan)
        rate = corrected_share(judge, people, clusters, CONFIDENCE).rate
        assert rate.low is not None and rate.high is not None
        covered += rate.low <= 0.6 <= rate.high
    assert 0.92 <= covered / repetitions <= 0.99


@pytest.mark.parametrize(("num_labels", "error"), [(30, 0.2), (60, 0.1), (60, 0.35)])
def test_kappas_interval_covers(num_labels: int, error: float) -> None:
    chosen = np.random.default_rng(num_labels)
    config = EvalsConfig(num_resamples=100)
    table = np.array([[0.6 * (1 - error), 0.6 * error], [0.4 * error, 0.4 * (1 - error)]])
    expected = float(kappa_of(table))
    covered, repetitions = 0, 200
    for _ in range(repetitions):
        truth = chosen.random(num_labels) < 0.6
        judge = truth ^ (chosen.random(num_labels) < error)
        pairs = [
            ("ab"[one], "ab"[other], index) for index, (one, other) in enumerate(zip(truth.astype(int), judge.astype(int), strict=True))
        ]
        kappa = agreement(pairs, ("a", "b"), config).kappa
        covered += kappa.low is not None and kappa.high is not None and kappa.low <= expected <= kappa.high
    assert covered / repetitions >= 0.9
