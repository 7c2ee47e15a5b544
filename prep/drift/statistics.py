"""The statistics of `prep drift`: pure functions of arrays. N is the number of texts of both sides together."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

POWER = 0.8


def average_ranks(values: Floats) -> Floats:
    """Returns the rank of each value, from 1; tied values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean_rank: Floats = last - (counts - 1) / 2
    return mean_rank[inverse]


def auc(scores: Floats, is_new: Bools) -> float:
    """Returns the chance that a new text scores above a known one, ties counting half (Mann and Whitney 1947)."""
    num_new = int(is_new.sum())
    num_known = len(is_new) - num_new
    rank_sum = float(average_ranks(scores)[is_new].sum())
    return (rank_sum - num_new * (num_new + 1) / 2) / (num_new * num_known)


def auc_interval(scores: Floats, is_new: Bools, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the interval of the AUC by DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988; by ranks: Sun and Xu 2014).

    The scores are taken as given: that they come from classifiers fitted on the same texts is left out, so that it is a little narrow.
    """
    new, known = scores[is_new], scores[~is_new]
    ranks = average_ranks(scores)
    above = (ranks[is_new] - average_ranks(new)) / len(known)
    below = 1 - (ranks[~is_new] - average_ranks(known)) / len(new)
    variance = above.var(ddof=1) / len(new) + below.var(ddof=1) / len(known)
    half = _quantile(0.5 + confidence / 2) * float(np.sqrt(variance))
    return max(0.0, float(above.mean()) - half), min(1.0, float(above.mean()) + half)


def largest_gap(places: Ints, is_new: Bools) -> float:
    """Returns the Kolmogorov-Smirnov distance: the largest gap between the two cumulative distributions (Smirnov 1948).

    Args:
        places: `[N]`, the place of each value among the distinct values, from 0.
        is_new: `[N]`, the side.
    """
    num_values = int(places.max(initial=0)) + 1
    new = np.bincount(places[is_new], minlength=num_values) / is_new.sum()
    known = np.bincount(places[~is_new], minlength=num_values) / (~is_new).sum()
    return float(np.abs(np.cumsum(new - known)).max())


def jensen_shannon(one: Floats, other: Floats) -> float:
    """Returns the Jensen-Shannon divergence of two count vectors, in bits, from 0 to 1 (Lin 1991)."""
    p, q = one / one.sum(), other / other.sum()
    middle = (p + q) / 2
    return float(_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2


def _relative_entropy(p: Floats, q: Floats) -> float:
    held = p > 0
    return float((p[held] * np.log2(p[held] / q[held])).sum())


def chi_square(categories: Ints, is_new: Bools) -> float:
    """Returns Pearson's chi-square of the table of side by category (Pearson 1900)."""
    num_categories = int(categories.max(initial=0)) + 1
    table = np.stack([np.bincount(categories[side], minlength=num_categories) for side in (is_new, ~is_new)]).astype(np.float64)
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


def permutation_p(observed: float, permuted: Floats) -> float:
    """Returns the share of arrangements that are as extreme, the observed one included: never 0 (Phipson and Smyth 2010)."""
    return (1 + int((permuted >= observed - 1e-12).sum())) / (1 + len(permuted))


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values adjusted for their number (Holm 1979), in the order given."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def log_odds_z(new: Floats, known: Floats, prior_mass: float = 500.0) -> Floats:
    """Returns how many standard errors each word's log-odds differ, new against known (Monroe, Colaresi and Quinn 2008, equation 22).

    Their informative Dirichlet prior is the two sides pooled, so that rare words need more evidence.

    Args:
        new: `[V]`, counts of each word on the new side.
        known: `[V]`, on the known side.
        prior_mass: imagined words that the prior counts for.
    """
    prior = prior_mass * (new + known) / (new + known).sum()
    odds = [np.log((count + prior) / (count.sum() + prior_mass - count - prior)) for count in (new, known)]
    z: Floats = (odds[0] - odds[1]) / np.sqrt(1 / (new + prior) + 1 / (known + prior))
    return z


def smallest_share_shift(share: float, num_known: int, num_new: int) -> float:
    """Returns the smallest shift of a share that samples of this size would show in 80 of 100 cases, at a level of 5 %."""
    return smallest_mean_shift(num_known, num_new) * float(np.sqrt(share * (1 - share)))


def smallest_mean_shift(num_known: int, num_new: int) -> float:
    """Returns the same for a mean, in standard deviations (Cohen 1988, 2.4)."""
    return detectable_errors() * float(np.sqrt(1 / num_known + 1 / num_new))


def detectable_errors() -> float:
    """Returns how many standard errors an effect must measure to be found with a power of 80 % at a two-sided level of 5 %."""
    return _quantile(0.975) + _quantile(POWER)


def _quantile(probability: float) -> float:
    return NormalDist().inv_cdf(probability)
