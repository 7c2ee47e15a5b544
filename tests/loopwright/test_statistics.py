"""The shared statistics against scipy's, to the twelfth digit, and against published values where scipy has none."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from loopwright import statistics

_EXACT = 1e-12
# What cancels to nearly 0 has no digits left to agree on: an absolute error far below any that a decision hangs on.
_ZERO = 1e-15
_SAMPLES = [(size, spread, seed) for size in (4, 30, 1_000, 20_000) for spread in (2, 9, 10**6) for seed in (1, 2)]


def _scores(size: int, spread: int, seed: int) -> tuple[statistics.Floats, statistics.Bools]:
    """Returns values with many ties (a small spread) or few, and a side with two values at least."""
    generator = np.random.default_rng(seed)
    sides = generator.random(size) < (0.1 if seed == 1 else 0.6)
    sides[:2], sides[2:4] = True, False
    return generator.integers(0, spread, size).astype(np.float64), sides


@pytest.mark.parametrize("probability", [1e-300, 1e-16, 1e-9, 0.001, 0.025, 0.3, 0.75, 0.8, 0.9, 0.975, 0.995, 1 - 1e-9, 1 - 1e-15])
def test_normal_quantiles_are_scipys(probability: float) -> None:
    assert statistics.normal_quantile(probability) == pytest.approx(stats.norm.ppf(probability), rel=_EXACT)


@given(st.floats(1e-12, 1 - 1e-12).filter(lambda one: abs(one - 0.5) > 1e-6))
def test_any_normal_quantile_is_scipys(probability: float) -> None:
    assert statistics.normal_quantile(probability) == pytest.approx(stats.norm.ppf(probability), rel=_EXACT)


def test_what_is_detectable_is_the_sum_of_both_quantiles() -> None:
    assert statistics.detectable_errors() == NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
    assert statistics.detectable_errors(0.99) == pytest.approx(stats.norm.ppf(0.995) + stats.norm.ppf(0.8), rel=_EXACT)


@pytest.mark.parametrize("total", [1, 2, 10, 263, 1_000, 10**6, 10**9])
@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95, 0.999999])
def test_wilson_intervals_are_scipys(total: int, confidence: float) -> None:
    for count in sorted({0, 1, total // 3, total // 2, total - 1, total}):
        expected = stats.binomtest(count, total).proportion_ci(confidence, method="wilson")
        assert statistics.wilson_interval(count, total, confidence) == pytest.approx((expected.low, expected.high), rel=_EXACT, abs=_ZERO)


def test_wilson_equals_published_values() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857-872, table I: 81/263 and 15/148. Brown, Cai and DasGupta 2001: 5/10.
    assert statistics.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert statistics.wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert statistics.wilson_interval(5, 10) == pytest.approx((0.237, 0.763), abs=5e-4)
    assert statistics.wilson_interval(0, 0) == (0.0, 1.0)


def test_holm_equals_the_textbook() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]
    assert statistics.holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_rejects_what_stepping_down_rejects(p_values: list[float]) -> None:
    """At any level: from the smallest p on, reject as long as the k-th of n is no more than level / (n - k + 1)."""
    adjusted = statistics.holm(p_values)
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
            if (len(p_values) - rank) * p_values[index] > level:
                break
            rejected.add(index)
        assert {index for index, p in enumerate(adjusted) if p <= level} == rejected


@pytest.mark.parametrize(("size", "spread", "seed"), _SAMPLES)
def test_ranks_auc_and_distances_are_scipys(size: int, spread: int, seed: int) -> None:
    values, sides = _scores(size, spread, seed)
    first, second = values[sides], values[~sides]
    assert statistics.average_ranks(values).tolist() == stats.rankdata(values).tolist()
    pairs = stats.mannwhitneyu(first, second, method="asymptotic").statistic / (len(first) * len(second))
    assert statistics.auc(values, sides) == pytest.approx(pairs, rel=_EXACT)
    distance = stats.ks_2samp(first, second, method="asymp").statistic
    places = np.unique(values, return_inverse=True)[1].astype(np.int64)
    assert statistics.largest_gap(places, sides) == pytest.approx(distance, rel=_EXACT, abs=_ZERO)


@pytest.mark.parametrize(("size", "spread", "seed"), _SAMPLES)
def test_counts_in_categories_are_scipys(size: int, spread: int, seed: int) -> None:
    values, sides = _scores(size, min(spread, 5_000), seed)
    categories = values.astype(np.int64)
    table = np.stack([np.bincount(categories[side], minlength=int(categories.max()) + 1) for side in (sides, ~sides)])
    held = table[:, table.sum(axis=0) > 0]
    expected = stats.chi2_contingency(held, correction=False).statistic if held.shape[1] > 1 else 0.0
    assert statistics.chi_square(categories, sides) == pytest.approx(expected, rel=_EXACT)
    one, other = table.astype(np.float64)
    assert statistics.jensen_shannon(one, other) == pytest.approx(jensenshannon(one, other, base=2) ** 2, rel=_EXACT, abs=_ZERO)


def test_the_extremes_of_auc_and_distances() -> None:
    sides = np.array([True] * 3 + [False] * 4)
    apart = np.array([9.0] * 3 + [1e-300] * 4)
    assert (statistics.auc(apart, sides), statistics.auc(-apart, sides), statistics.auc(np.zeros(7), sides)) == (1.0, 0.0, 0.5)
    assert statistics.auc_interval(apart, sides) == (1.0, 1.0)
    one = np.array([3.0, 0, 5])
    assert statistics.jensen_shannon(one, one) == 0 and statistics.jensen_shannon(np.array([1.0, 0]), np.array([0, 1.0])) == 1


def test_the_interval_of_the_auc_is_delongs() -> None:
    """Against the placements themselves: the share of the other side that each value lies above, ties half."""
    values, sides = _scores(60, 9, 2)
    above = (values[sides][:, None] > values[~sides]) + (values[sides][:, None] == values[~sides]) / 2
    error = np.sqrt(above.mean(axis=1).var(ddof=1) / sides.sum() + above.mean(axis=0).var(ddof=1) / (~sides).sum())
    half = stats.norm.ppf(0.95) * error
    assert statistics.auc_interval(values, sides, 0.9) == pytest.approx((above.mean() - half, above.mean() + half), rel=_EXACT)


def test_the_interval_of_the_auc_covers_it_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    true, covered = stats.norm.cdf(1 / np.sqrt(2)), 0
    for _ in range(400):
        scores = np.concatenate([generator.normal(0, 1, 60), generator.normal(1, 1, 40)])
        low, high = statistics.auc_interval(scores, np.arange(100) >= 60)
        covered += low <= true <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_cramers_v_takes_off_what_chance_gives() -> None:
    assert statistics.cramers_v(100, 100, 2) == pytest.approx(1, rel=_EXACT) and statistics.cramers_v(1, 100, 2) == 0
    # Without the correction it is scipy's: the correction is of the order of 1 / n.
    table = np.array([[400_000, 100_000], [300_000, 200_000]])
    statistic = stats.chi2_contingency(table, correction=False).statistic
    assert statistics.cramers_v(statistic, 10**6, 2) == pytest.approx(stats.contingency.association(table), rel=1e-4)
    assert statistics.cramers_v(5.0, 1, 2) == statistics.cramers_v(5.0, 10, 1) == 0


def test_benjamini_hochberg_on_the_example_of_the_paper() -> None:
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    adjusted = statistics.benjamini_hochberg(p_values)
    assert sum(p <= 0.05 for p in adjusted) == 4
    assert statistics.benjamini_hochberg([]) == []
    assert statistics.benjamini_hochberg(p_values[:4], len(p_values)) == pytest.approx(adjusted[:4])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_adjusted_values_are_no_smaller_and_keep_their_order(p_values: list[float]) -> None:
    adjusted = statistics.benjamini_hochberg(p_values)
    assert all(a >= p - 1e-12 for a, p in zip(adjusted, p_values, strict=True))
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[one] for one in order] == sorted(adjusted)
