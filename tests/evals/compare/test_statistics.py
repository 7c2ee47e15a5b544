"""Intervals and tests against published and scipy's values, and by simulation."""

import numpy as np
import pytest

from evals.compare import statistics


@pytest.mark.parametrize(("only_a", "only_b", "p"), [(0, 0, 1.0), (5, 5, 1.0), (10, 0, 2 / 2**10), (1, 9, 22 / 2**10), (6, 16, 0.0524788)])
def test_mcnemar_is_the_exact_sign_test(only_a: int, only_b: int, p: float) -> None:
    assert statistics.mcnemar_exact(only_a, only_b) == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize(("only_a", "only_b", "count"), [(12, 3, 60), (1, 0, 44), (7, 7, 30), (20, 1, 25)])
def test_tango_inverts_the_score_test(only_a: int, only_b: int, count: int) -> None:
    """At either bound the score statistic, its variance from a likelihood maximised by brute force, is the normal quantile."""
    for bound in statistics.tango_interval(only_a, only_b, count):
        q21 = np.linspace(max(0.0, -bound) + 1e-9, (1 - bound) / 2 - 1e-9, 400_001)
        likelihood = only_a * np.log(q21 + bound) + only_b * np.log(q21) + (count - only_a - only_b) * np.log(1 - 2 * q21 - bound)
        best = q21[np.argmax(likelihood)]
        statistic = (only_a - only_b - count * bound) / np.sqrt(count * (2 * best + bound * (1 - bound)))
        assert abs(statistic) == pytest.approx(1.959964, abs=2e-3)


def test_tango_has_a_closed_form_without_discordant_pairs() -> None:
    z2 = 1.959963985**2
    assert statistics.tango_interval(0, 0, 20) == pytest.approx((-z2 / (20 + z2), z2 / (20 + z2)), abs=1e-6)


def test_tango_is_antisymmetric_and_holds_the_observed_difference() -> None:
    low, high = statistics.tango_interval(12, 3, 60)
    assert low < (12 - 3) / 60 < high
    assert statistics.tango_interval(3, 12, 60) == pytest.approx((-high, -low))


def test_tango_covers_the_true_difference() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        _, only_a, only_b, _ = generator.multinomial(40, [0.5, 0.2, 0.1, 0.2])
        low, high = statistics.tango_interval(only_a, only_b, 40)
        covered += low <= 0.1 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_sign_flips_of_single_rows_agree_with_mcnemar() -> None:
    differences = np.array([1.0] * 14 + [-1.0] * 4 + [0.0] * 30)
    assert statistics.sign_flip_p(differences, 20_000, seed=3) == pytest.approx(statistics.mcnemar_exact(14, 4), abs=0.01)


def test_sign_flips_keep_clusters_whole() -> None:
    # Ten rows of one cluster that all improve are one observation: no evidence at all.
    assert statistics.sign_flip_p(np.array([10.0]), 1000, seed=3) == 1.0


def test_bootstrap_intervals_of_a_mean_cover_it() -> None:
    generator = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        values = generator.exponential(size=60)
        sums = np.column_stack([values, np.ones(60)])
        totals = statistics.bootstrap_totals(sums, 500, seed=trial)
        interval = statistics.percentile_interval(totals[:, 0] / totals[:, 1])
        assert interval is not None
        covered += interval[0] <= 1.0 <= interval[1]
    assert 0.87 <= covered / 200 <= 0.99


def test_bootstrap_resamples_columns_together_and_is_seeded() -> None:
    sums = np.arange(30.0)[:, None] * [[1.0, 2.0]]
    totals = statistics.bootstrap_totals(sums, 700, seed=4)
    assert np.allclose(totals[:, 1], 2 * totals[:, 0])
    assert np.array_equal(totals, statistics.bootstrap_totals(sums, 700, seed=4))
    assert not np.array_equal(totals, statistics.bootstrap_totals(sums, 700, seed=5))
    assert totals[:, 0].std() == pytest.approx(np.sqrt(30) * sums[:, 0].std(), rel=0.1)


def test_clustered_rows_have_a_design_effect() -> None:
    clusters = np.repeat(np.arange(20), 5)
    same = np.repeat(np.random.default_rng(0).integers(0, 2, 20), 5).astype(float)
    assert statistics.design_effect(same, clusters) == pytest.approx(5, rel=0.1)
    assert statistics.design_effect(same, np.arange(100)) == 1.0
    assert statistics.design_effect(np.ones(100), clusters) == 5.0


def test_sums_of_clusters() -> None:
    sums = statistics.cluster_sums(np.array([[1.0], [2.0], [4.0]]), np.array([0, 1, 0]))
    assert sums.tolist() == [[5.0], [2.0]]


def test_bootstrap_sign_p_is_never_zero() -> None:
    assert statistics.bootstrap_sign_p(np.full(999, 0.3)) == pytest.approx(0.002)
    assert statistics.bootstrap_sign_p(np.linspace(-1, 1, 1001)) == 1.0


def test_rows_needed_grows_with_the_square_of_the_ratio() -> None:
    # A standard error of 0.05 on 100 rows can see 0.14; to see 0.07 takes four times the rows.
    assert statistics.smallest_effect(0.05) == pytest.approx(0.14008, abs=1e-4)
    assert statistics.rows_needed(0.07004, 0.05, 100) == pytest.approx(400, abs=2)
    assert statistics.rows_needed(0.0, 0.05, 100) is None


def test_rows_and_seeds_both_widen_an_interval_and_it_covers() -> None:
    """Crossed random effects: the difference of a mean over 60 rows and 3 seeds from a base without seeds."""
    generator = np.random.default_rng(5)
    covered, rows_alone, trials = 0, 0, 400
    for _ in range(trials):
        of_rows, of_seeds = generator.normal(0, 0.3, 60), generator.normal(0, 0.05, 3)
        scores = 0.1 + of_rows + of_seeds[:, None] + generator.normal(0, 0.1, (3, 60))
        means = scores.mean(axis=1)
        row_error = float(scores.mean(axis=0).std(ddof=1) / np.sqrt(60))
        error, seed_error, freedom = statistics.error_with_seeds(row_error, 60, [means.tolist()])
        low, high = statistics.t_interval(float(means.mean()), error, freedom)
        covered += low <= 0.1 <= high
        rows_alone += abs(means.mean() - 0.1) <= 1.96 * row_error
        assert 0 < seed_error < error
    assert 0.93 <= covered / trials <= 1
    assert rows_alone / trials < 0.93, "the rows' error alone says too little"


def test_without_luck_the_error_is_that_of_the_rows() -> None:
    assert statistics.error_with_seeds(0.02, 50, [[0.5, 0.5, 0.5]]) == pytest.approx((0.02, 0.0, 49))
    assert statistics.error_with_seeds(0.0, 50, [[0.5, 0.5]])[0] == 0


def test_the_spread_of_seeds_has_the_chi_squared_interval() -> None:
    spread, low, high = statistics.spread_of_seeds([0.70, 0.74, 0.72])
    assert spread == pytest.approx(0.02)
    # Two degrees of freedom: the quantiles are -2 ln(1 - p).
    assert low == pytest.approx(0.02 * np.sqrt(2 / (-2 * np.log(0.025)))) and high == pytest.approx(
        0.02 * np.sqrt(2 / (-2 * np.log(0.975)))
    )


def test_student_agrees_with_the_table() -> None:
    assert statistics.t_interval(0.0, 1.0, 2) == pytest.approx((-4.302653, 4.302653), abs=1e-5)
    assert statistics.t_test(4.302653, 1.0, 2) == pytest.approx(0.05, abs=1e-6) and statistics.t_test(1.0, 0.0, 2) == 1


def test_few_clusters_widen_a_percentile_interval_and_many_do_not() -> None:
    assert statistics.widened(0.95, 10) == pytest.approx(0.98291, abs=1e-4)  # sqrt(10 / 9) * 2.262 = 2.384 normal deviates
    assert statistics.widened(0.95, 5000) == pytest.approx(0.95, abs=1e-4) and statistics.widened(0.95, 1) == 1


def test_a_difference_is_within_a_margin_on_both_sides() -> None:
    assert statistics.is_within((-0.01, 0.019), 0.02)
    assert not statistics.is_within((-0.01, 0.02), 0.02) and not statistics.is_within((-0.03, 0.01), 0.02)


def test_the_basic_interval_is_turned_round_the_point_and_holds_it() -> None:
    values = np.linspace(0.2, 0.4, 101)
    assert statistics.basic_interval(values, 0.3, 0.9) == pytest.approx((0.21, 0.39)), "no bias, the same interval"
    assert statistics.basic_interval(values, 0.25, 0.9) == pytest.approx((0.11, 0.29)), "what resamples lie above is taken off"
    assert statistics.basic_interval(values, 0.1, 0.9, (0.0, 1.0)) == pytest.approx((0.0, 0.1)), "cut to the bounds, stretched to the point"
    assert statistics.basic_interval(np.array([np.nan]), 0.1) is None
