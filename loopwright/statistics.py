"""Statistics that more than one package decides by: pure functions of counts and arrays, free of scipy as the base install is."""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

POWER = 0.8
"""Chance of seeing an effect that is there, for the smallest detectable effect and the number of rows: the usual 80 %."""


def normal_quantile(probability: float) -> float:
    """Returns the value below which a standard normal variable lies with this probability, above 0 and below 1 (Wichura 1988)."""
    return NormalDist().inv_cdf(probability)


def detectable_errors(confidence: float = 0.95) -> float:
    """Returns how many standard errors an effect must measure to be found with a power of 80 % by a two-sided test (Cohen 1988)."""
    return normal_quantile(0.5 + confidence / 2) + normal_quantile(POWER)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values adjusted for their number (Holm 1979), in the order given."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float], num_tests: int | None = None) -> list[float]:
    """Returns p-values adjusted for the false discovery rate (Benjamini and Hochberg 1995), in the order given.

    Args:
        p_values: one a test.
        num_tests: how many tests were made, where only the smallest p-value of several is given.
    """
    total = len(p_values) if num_tests is None else num_tests
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    adjusted = [1.0] * len(p_values)
    lowest = 1.0
    for place, index in enumerate(order):
        lowest = min(lowest, p_values[index] * total / (len(p_values) - place))
        adjusted[index] = lowest
    return adjusted


def wilson_interval(count: float, total: float, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the score interval of a share (Wilson 1927), which holds for few trials, and at 0 and 1.

    Args:
        count: number of successes; may be a fraction, for an effective sample size.
        total: number of trials; where it is 0 the interval is all of [0, 1].
        confidence: coverage.
    """
    if not total:
        return 0.0, 1.0
    z = normal_quantile(0.5 + confidence / 2)
    share = count / total
    center = share + z * z / (2 * total)
    spread = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (center - spread) / scale), min(1.0, (center + spread) / scale)


def average_ranks(values: Floats) -> Floats:
    """Returns the rank of each value, from 1; tied values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean_rank: Floats = last - (counts - 1) / 2
    return mean_rank[inverse]


def auc(scores: Floats, is_positive: Bools) -> float:
    """Returns the chance that a positive scores above a negative, ties counting half (Mann and Whitney 1947).

    Args:
        scores: `[N]`.
        is_positive: `[N]`, with at least one of either kind.
    """
    num_positive = int(is_positive.sum())
    num_negative = len(is_positive) - num_positive
    rank_sum = float(average_ranks(scores)[is_positive].sum())
    return (rank_sum - num_positive * (num_positive + 1) / 2) / (num_positive * num_negative)


def auc_interval(scores: Floats, is_positive: Bools, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the interval of the AUC by DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988; by ranks: Sun and Xu 2014).

    The scores are taken as given: for classifiers that were fitted on the same rows it is a little narrow.
    """
    positive, negative = scores[is_positive], scores[~is_positive]
    ranks = average_ranks(scores)
    above = (ranks[is_positive] - average_ranks(positive)) / len(negative)
    below = 1 - (ranks[~is_positive] - average_ranks(negative)) / len(positive)
    variance = above.var(ddof=1) / len(positive) + below.var(ddof=1) / len(negative)
    half = normal_quantile(0.5 + confidence / 2) * float(np.sqrt(variance))
    return max(0.0, float(above.mean()) - half), min(1.0, float(above.mean()) + half)


def largest_gap(places: Ints, in_first: Bools) -> float:
    """Returns the Kolmogorov-Smirnov distance: the largest gap between the cumulative distributions of two samples (Smirnov 1948).

    Args:
        places: `[N]`, the place of each value among the distinct values, from 0.
        in_first: `[N]`, whether it is of the first sample.
    """
    num_values = int(places.max(initial=0)) + 1
    first = np.bincount(places[in_first], minlength=num_values) / in_first.sum()
    second = np.bincount(places[~in_first], minlength=num_values) / (~in_first).sum()
    return float(np.abs(np.cumsum(first - second)).max())


def jensen_shannon(one: Floats, other: Floats) -> float:
    """Returns the Jensen-Shannon divergence of two count vectors, in bits, from 0 to 1 (Lin 1991)."""
    p, q = one / one.sum(), other / other.sum()
    middle = (p + q) / 2
    return float(_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2


def _relative_entropy(p: Floats, q: Floats) -> float:
    held = p > 0
    return float((p[held] * np.log2(p[held] / q[held])).sum())


def chi_square(categories: Ints, in_first: Bools) -> float:
    """Returns Pearson's chi-square of the table of sample by category (Pearson 1900)."""
    num_categories = int(categories.max(initial=0)) + 1
    table = np.stack([np.bincount(categories[side], minlength=num_categories) for side in (in_first, ~in_first)]).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(((table - expected) ** 2 / expected).sum())


def cramers_v(statistic: float, num_rows: int, num_categories: int) -> float:
    """Returns Cramer's V of a table with two rows, corrected for what chance alone gives (Bergsma 2013); 0 for fewer than 2 categories."""
    if num_categories < 2 or num_rows < 2:
        return 0.0
    # With two rows min(r, c) - 1 is 1; the correction takes it down to 1 - 1 / (n - 1).
    excess = max(0.0, statistic / num_rows - (num_categories - 1) / (num_rows - 1))
    return float(np.sqrt(min(1.0, excess / (1 - 1 / (num_rows - 1)))))
