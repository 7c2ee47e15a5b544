"""The statistics of lint against values that were worked out by hand, or stand in the literature."""

from math import isclose
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

from prep.lint.base import statistics


def test_evenness() -> None:
    assert statistics.evenness([50, 50]) == 1
    assert round(statistics.evenness([76, 24]), 2) == 0.8
    assert statistics.evenness([100, 0]) == 0


@pytest.mark.parametrize(("value", "degrees", "p"), [(3.841, 1, 0.05), (6.635, 1, 0.01), (9.488, 4, 0.05), (18.307, 10, 0.05)])
def test_chi_square_has_the_quantiles_of_the_tables(value: float, degrees: int, p: float) -> None:
    assert abs(statistics.chi_square_p(value, degrees) - p) < 0.003


def test_chi_square_of_a_die() -> None:
    test = statistics.chi_square_even([5, 8, 9, 8, 10, 20])
    assert isclose(test.statistic, 13.4)
    assert round(test.p, 2) == 0.02
    assert statistics.chi_square_even([10, 10]).p == 1


def test_mann_whitney_counts_the_pairs() -> None:
    # 1, 2, 2 against 2, 3: of six pairs none is larger and two are tied.
    test = statistics.mann_whitney(np.array([1.0, 2, 0]), np.array([0.0, 1, 1]))
    assert isclose(test.effect, 1 / 6)
    assert test.statistic < 0
    same = statistics.mann_whitney(np.array([5.0, 5]), np.array([50.0, 50]))
    assert (same.statistic, same.p, same.effect) == (0, 1, 0.5)
    assert statistics.mann_whitney(np.array([40.0, 0]), np.array([0.0, 40])).p < 1e-9


def test_wilcoxon_on_the_example_of_the_literature() -> None:
    # Darwin's maize, as Wilcoxon's test is taught on it: the ranks of one sign add up to 24, of the other to 96.
    differences = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], np.float64)
    test = statistics.wilcoxon_signed_rank(differences)
    assert isclose(test.effect, (96 - 24) / 120)
    assert 0.03 < test.p < 0.05
    assert statistics.wilcoxon_signed_rank(np.zeros(9)).p == 1


def test_the_robust_deviation_of_normal_values_is_their_standard_deviation() -> None:
    quantiles = [NormalDist(5, 3).inv_cdf((place + 0.5) / 999) for place in range(999)]
    deviation = pl.DataFrame({"x": [*quantiles, 1e9]}).select(statistics.robust_deviation(pl.col("x"))).item()
    assert abs(deviation - 3) < 0.02


def test_krippendorff_on_his_own_example() -> None:
    # Krippendorff 2011, section C: nominal data, several judges, missing values.
    assert statistics.krippendorff_alpha([["a"], ["b"]]) is None
    judged = [
        ["1", "1", "1"], ["2", "2", "3", "2"], ["3", "3", "3", "3"], ["3", "3", "3", "3"], ["2", "2", "2", "2"], ["1", "2", "3", "4"],
        ["4", "4", "4", "4"], ["1", "1", "2", "1"], ["2", "2", "2", "2"], ["5", "5", "5"], ["1", "1"],
    ]  # fmt: skip
    alpha = statistics.krippendorff_alpha(judged)
    assert alpha is not None
    assert round(alpha, 3) == 0.743
    assert statistics.krippendorff_alpha([["a", "a"], ["a", "a"]]) == 1
