"""The statistics that lint rules decide by: pure functions of counts and arrays. They need nothing beyond the base install."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, lgamma, log, log1p, sqrt

import numpy as np
import polars as pl

from loopwright.statistics import Floats, average_ranks, normal_quantile

# The median absolute deviation of a normal distribution is this share of its standard deviation.
_MAD_SCALE = normal_quantile(0.75)


@dataclass(frozen=True, slots=True)
class TestResult:
    """What a test says.

    Attributes:
        statistic: its statistic.
        p: the chance of one as extreme where nothing is the matter, two-sided.
        effect: how large the effect is, on the scale that the test names.
    """

    __test__ = False  # the name begins as pytest's classes do

    statistic: float
    p: float
    effect: float


def evenness(counts: Sequence[int]) -> float:
    """Returns Pielou's J (1966): the Shannon entropy of counts over its maximum, from 0 (one has all) to 1 (all equal)."""
    total = sum(counts)
    if len(counts) < 2 or not total:
        return 1.0
    return -sum(count / total * log(count / total) for count in counts if count) / log(len(counts))


def chi_square_even(counts: Sequence[int]) -> TestResult:
    """Tests counts against even ones (Pearson 1900). The effect is Cohen's w (1988): 0.1 small, 0.3 medium, 0.5 large."""
    total = sum(counts)
    if len(counts) < 2 or not total:
        return TestResult(0.0, 1.0, 0.0)
    return chi_square_expected(counts, [total / len(counts)] * len(counts))


def chi_square_expected(counts: Sequence[float], expected: Sequence[float]) -> TestResult:
    """Tests counts against expected ones, all above 0, of the same sum (Pearson 1900). The effect is Cohen's w (1988)."""
    statistic = sum((count - wanted) ** 2 / wanted for count, wanted in zip(counts, expected, strict=True))
    return TestResult(statistic, chi_square_p(statistic, len(counts) - 1), sqrt(statistic / sum(counts)))


def chi_square_p(statistic: float, degrees: int) -> float:
    """Returns the chance of a chi-square as large, by the cube root (Wilson and Hilferty 1931): within 0.003 of the exact one."""
    if degrees < 1 or statistic <= 0:
        return 1.0
    spread = 2 / (9 * degrees)
    return _upper_tail(((statistic / degrees) ** (1 / 3) - (1 - spread)) / sqrt(spread))


def mann_whitney(one: Floats, other: Floats) -> TestResult:
    """Tests whether values of one sample lie above those of another (Mann and Whitney 1947; normal approximation, corrected for ties).

    The statistic is z. The effect is the chance that a value of `one` lies above one of `other`, ties counting half: 0.5 is none, and
    0.56, 0.64, 0.71 are as small, medium and large as Cohen's d of 0.2, 0.5 and 0.8 (Phi(d / sqrt 2)).

    Args:
        one: `[V]`, how many values of the one sample are equal to each of the V distinct values, in ascending order.
        other: `[V]`, likewise of the other.
    """
    num_one, num_other = float(one.sum()), float(other.sum())
    if not num_one or not num_other:
        return TestResult(0.0, 1.0, 0.5)
    below = np.cumsum(other) - other
    u = float((one * (below + other / 2)).sum())
    total, ties = num_one + num_other, one + other
    tied = float((ties**3 - ties).sum()) / (total * (total - 1))
    variance = num_one * num_other / 12 * (total + 1 - tied)
    z = (u - num_one * num_other / 2) / sqrt(variance) if variance > 0 else 0.0
    return TestResult(z, 2 * _upper_tail(abs(z)), u / (num_one * num_other))


def wilcoxon_signed_rank(differences: Floats) -> TestResult:
    """Tests whether paired differences lie to one side of 0 (Wilcoxon 1945; zeros left out; normal approximation, corrected for ties).

    The statistic is z. The effect is the matched-pairs rank-biserial correlation, from -1 to 1: the share of the rank sum that is
    positive less that which is negative (Kerby 2014).
    """
    kept = differences[differences != 0]
    number = len(kept)
    if not number:
        return TestResult(0.0, 1.0, 0.0)
    sizes = np.abs(kept)
    ties = np.unique(sizes, return_counts=True)[1].astype(np.float64)
    positive = float(average_ranks(sizes)[kept > 0].sum())
    total = number * (number + 1) / 2
    variance = number * (number + 1) * (2 * number + 1) / 24 - float((ties**3 - ties).sum()) / 48
    z = (positive - total / 2) / sqrt(variance) if variance > 0 else 0.0
    return TestResult(z, 2 * _upper_tail(abs(z)), 2 * positive / total - 1)


def robust_deviation(values: pl.Expr) -> pl.Expr:
    """Returns the standard deviation that a normal distribution of this median absolute deviation has (Hampel 1974).

    A distance from the median over it is the robust z of Iglewicz and Hoaglin (1993), who call a value an outlier from 3.5 on.
    """
    return (values - values.median()).abs().median() / _MAD_SCALE


def binomial_tail(successes: int, trials: int, share: float) -> float:
    """Returns P(X >= successes) of a binomial variable, summed term by term: for few trials, or successes near them."""
    if not 0 < share < 1:
        return 1.0
    n, p = trials, share
    terms = (lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log1p(-p) for i in range(successes, n + 1))
    return min(1.0, sum(map(exp, terms)))


def krippendorff_alpha(units: Sequence[Sequence[str]]) -> float | None:
    """Returns Krippendorff's alpha for nominal values (Krippendorff 2011): 1 is full agreement, 0 what chance gives.

    Args:
        units: for each thing that was judged, what each judge said of it; any number of judges.

    Returns:
        None where no two judges looked at one thing.
    """
    totals: dict[str, float] = {}
    disagreement = 0.0
    num_values = 0
    for values in units:
        size = len(values)
        if size < 2:
            continue
        counts: dict[str, int] = {}
        for value in values:
            counts[value] = counts.get(value, 0) + 1
            totals[value] = totals.get(value, 0.0) + 1
        num_values += size
        disagreement += sum(count * (size - count) for count in counts.values()) / (size - 1)
    if not num_values:
        return None
    expected = sum(count * (num_values - count) for count in totals.values()) / (num_values - 1)
    return 1.0 if not expected else 1 - disagreement / expected


def _upper_tail(z: float) -> float:
    return erfc(z / sqrt(2)) / 2
