"""Intervals and tests for numbers measured on a sample of rows, paired and clustered. Pure functions of arrays."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loopwright.statistics import detectable_errors, normal_quantile

Array = npt.NDArray[np.float64]
Interval = tuple[float, float]

_RESAMPLES_AT_ONCE = 500


def tango_interval(only_a: float, only_b: float, count: float, confidence: float = 0.95) -> Interval:
    """Returns the score interval for a difference of paired proportions, a - b (Tango 1998, Statistics in Medicine 17:891-908).

    Unlike a bootstrap it does not shrink to a point where no pair is discordant.

    Args:
        only_a: pairs in which a alone is right.
        only_b: pairs in which b alone is right.
        count: all pairs, above 0. The three may be fractional for an effective sample size.
        confidence: coverage.
    """
    z = normal_quantile(0.5 + confidence / 2)
    observed = (only_a - only_b) / count

    def excess(delta: float) -> float:
        # Restricted maximum-likelihood estimate of P(only b right) given the difference: equation 8.
        linear = -only_a - only_b + (2 * count - only_a + only_b) * delta
        q21 = (np.sqrt(max(linear**2 + 8 * count * only_b * delta * (1 - delta), 0.0)) - linear) / (4 * count)
        variance = count * (2 * q21 + delta * (1 - delta))
        return float(abs(only_a - only_b - count * delta) - z * np.sqrt(max(variance, 0.0)))

    def bound(end: float) -> float:
        inside, outside = observed, end
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if excess(middle) <= 0 else (inside, middle)
        return (inside + outside) / 2

    return bound(-1.0), bound(1.0)


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Returns the two-sided p of McNemar's exact test: a sign test on the discordant pairs (McNemar 1947)."""
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def sign_flip_p(differences: Array, num_resamples: int, seed: int) -> float:
    """Returns the two-sided p of a permutation test that swaps a and b within whole clusters (Fisher 1935).

    For clusters of one row this is McNemar's test. It is what is left of it where rows of a cluster are not independent.

    Args:
        differences: `[G]`, the sum of a - b over each cluster.
        num_resamples: random swaps.
        seed: of the swaps.
    """
    generator = np.random.default_rng(seed)
    observed = abs(differences.sum())
    as_extreme = 1
    for start in range(0, num_resamples, _RESAMPLES_AT_ONCE):
        size = min(_RESAMPLES_AT_ONCE, num_resamples - start)
        signs = generator.integers(0, 2, size=(size, len(differences)), dtype=np.int8) * 2 - 1
        as_extreme += int((np.abs(signs @ differences) >= observed - 1e-9).sum())
    return as_extreme / (num_resamples + 1)


def cluster_sums(statistics: Array, clusters: npt.NDArray[np.int64]) -> Array:
    """Sums the rows of each cluster: `[N, K]` and cluster numbers `[N]` from 0 give `[G, K]`."""
    sums = np.zeros((int(clusters.max(initial=-1)) + 1, statistics.shape[1]))
    np.add.at(sums, clusters, statistics)
    return sums


def bootstrap_totals(sums: Array, num_resamples: int, seed: int) -> Array:
    """Returns the totals of resampled clusters, `[G, K]` -> `[B, K]` (Efron 1979; whole clusters: Davison and Hinkley 1997, 3.8).

    All columns are resampled together: put the statistics of two systems side by side and their difference is paired.
    """
    generator = np.random.default_rng(seed)
    num_clusters = len(sums)
    totals = np.empty((num_resamples, sums.shape[1]))
    for start in range(0, num_resamples, _RESAMPLES_AT_ONCE):
        size = min(_RESAMPLES_AT_ONCE, num_resamples - start)
        drawn = generator.integers(0, num_clusters, size=(size, num_clusters))
        drawn += np.arange(size)[:, None] * num_clusters
        weights = np.bincount(drawn.ravel(), minlength=size * num_clusters).reshape(size, num_clusters)
        totals[start : start + size] = weights.astype(np.float64) @ sums
    return totals


def percentile_interval(values: Array, confidence: float = 0.95) -> Interval | None:
    """Returns the percentile interval of bootstrap values; None where no resample has a value."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


FEWEST_CLUSTERS = 5
"""Fewer independent rows than these bear no interval by resampling."""


def widened(confidence: float, num_clusters: int) -> float:
    """Returns the confidence at which a percentile interval has the reach that few clusters ask for.

    Resampling n clusters gives a spread that is too small by (n - 1) / n, and takes a normal quantile where Student's is due; the expanded
    percentile interval mends both (Hesterberg 2015, The American Statistician 69:371-386, 5.1).

    Args:
        confidence: coverage.
        num_clusters: independent rows; two or more, else all that can be is returned.
    """
    from scipy.stats import norm, t

    if num_clusters < 2:
        return 1.0
    reach = np.sqrt(num_clusters / (num_clusters - 1)) * t.ppf(0.5 + confidence / 2, num_clusters - 1)
    return float(2 * norm.cdf(reach) - 1)


def basic_interval(values: Array, point: float, confidence: float = 0.95, bounds: Interval = (-np.inf, np.inf)) -> Interval | None:
    """Returns the basic bootstrap interval, the percentile one turned round the point (Davison and Hinkley 1997, 5.2.1).

    A resample has the bias of few rows once more than the point: the percentile interval counts it twice, this one takes it off. It is
    stretched to the point where that lies outside, so that it never says of the value beside it that it cannot be.

    Args:
        values: `[B]`, of the resamples.
        point: the value of the rows themselves.
        confidence: coverage.
        bounds: the lowest and highest value that there can be.

    Returns:
        None where no resample has a value.
    """
    turned = percentile_interval(values, confidence)
    if turned is None:
        return None
    return min(point, max(bounds[0], 2 * point - turned[1])), max(point, min(bounds[1], 2 * point - turned[0]))


def bootstrap_sign_p(differences: Array) -> float:
    """Returns the two-sided p that a difference is not zero: twice the smaller share of resamples beyond it, never 0."""
    differences = differences[np.isfinite(differences)]
    beyond = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(differences) + 1))


def design_effect(values: Array, clusters: npt.NDArray[np.int64]) -> float:
    """Returns by how much clustering inflates the variance of a mean, at least 1 (Kish 1965; cluster-robust: Miller 2024).

    Divide a sample size by it for the effective one. Where all values are equal nothing can be measured, and rows of a cluster are
    taken for one.

    Args:
        values: `[N]`.
        clusters: `[N]`, cluster numbers from 0.
    """
    num_rows = len(values)
    num_clusters = len(np.unique(clusters))
    if num_clusters == num_rows:
        return 1.0
    residuals = values - values.mean()
    simple = float((residuals**2).sum())
    if simple == 0 or num_clusters < 2:
        return num_rows / num_clusters
    clustered = float((cluster_sums(residuals[:, None], clusters) ** 2).sum()) * num_clusters / (num_clusters - 1)
    return max(1.0, clustered / simple)


def smallest_effect(standard_error: float, confidence: float = 0.95) -> float:
    """Returns the smallest true difference that a test set of this size would have found in 80 of 100 cases (Miller 2024, 5)."""
    return detectable_errors(confidence) * standard_error


def error_with_seeds(row_error: float, num_clusters: int, of_seeds: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Returns the standard error of a difference of means over rows and seeds, the seeds' part of it, and its degrees of freedom.

    Rows and seeds are crossed and both drawn at random: the variances of the mean add up, `row_error ** 2 + sum(s ** 2 / k)`, and
    their degrees of freedom are Satterthwaite's (1946, Biometrics Bulletin 2:110-114). The share that rows and seeds have in common is
    in both parts, so that the sum is a little wide rather than narrow.

    Args:
        row_error: standard error over rows, of the mean over seeds.
        num_clusters: independent rows.
        of_seeds: for each side that has several seeds, what each seed has on all rows, two values or more.
    """
    parts = [(row_error**2, max(num_clusters - 1, 1))]
    parts += [(float(np.var(values, ddof=1)) / len(values), len(values) - 1) for values in of_seeds]
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return 0.0, 0.0, float(parts[0][1])
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in parts if variance)
    return float(np.sqrt(total)), float(np.sqrt(sum(variance for variance, _ in parts[1:]))), freedom


def t_interval(value: float, error: float, freedom: float, confidence: float = 0.95) -> Interval:
    """Returns Student's interval of a value (Student 1908)."""
    from scipy.stats import t

    reach = float(t.ppf(0.5 + confidence / 2, freedom)) * error
    return value - reach, value + reach


def t_test(value: float, error: float, freedom: float) -> float:
    """Returns the two-sided p that a value is not zero, by Student's distribution; 1 where it has no error."""
    from scipy.stats import t

    return float(2 * t.sf(abs(value) / error, freedom)) if error > 0 else 1.0


def spread_of_seeds(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Returns the standard deviation of what several seeds have, with its interval by the chi-squared distribution (Neyman 1937).

    Of three seeds the interval reaches from half of it to six times: a few seeds say that luck is there, and hardly how much.

    Args:
        values: of each seed, two or more.
        confidence: coverage.
    """
    from scipy.stats import chi2

    degrees = len(values) - 1
    spread = float(np.std(values, ddof=1))
    low, high = chi2.ppf([0.5 + confidence / 2, 0.5 - confidence / 2], degrees)
    return spread, spread * float(np.sqrt(degrees / low)), spread * float(np.sqrt(degrees / high))


def is_within(interval: Interval, margin: float) -> bool:
    """Says whether a difference is shown to be smaller than a margin, either way: two one-sided tests (Schuirmann 1987).

    Args:
        interval: of the difference, at a confidence of one less twice the level of the test.
        margin: the smallest difference that would matter.
    """
    return -margin < interval[0] and interval[1] < margin


def rows_needed(difference: float, standard_error: float, num_rows: int, confidence: float = 0.95) -> int | None:
    """Returns how many rows would show a difference of this size with 80 % power; None where it is 0 or its error unknown."""
    if difference == 0 or standard_error == 0:
        return None
    return int(np.ceil(num_rows * (smallest_effect(standard_error, confidence) / abs(difference)) ** 2))
