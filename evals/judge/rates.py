"""Shares with their intervals, clustered by row; and what a judge's share is once its errors are taken out by people's labels."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from evals.compare.statistics import cluster_sums
from evals.data.contract import MetricValue
from loopwright.statistics import wilson_interval

Array = npt.NDArray[np.float64]
Clusters = npt.NDArray[np.int64]

NOTHING = MetricValue(value=None, low=None, high=None)


@dataclass(frozen=True, slots=True)
class Corrected:
    """A judge's share, corrected.

    Attributes:
        rate: the share and its interval.
        power: the weight of the judge's word in it, 0 to 1.
    """

    rate: MetricValue
    power: float


def share(values: Array, clusters: Clusters, confidence: float) -> MetricValue:
    """Returns the mean of values in [0, 1] with an interval.

    Args:
        values: `[N]`, 1 for a success, 0 for a failure, a half for a tie.
        clusters: `[N]`, numbers of the clusters; those of one are not independent.
        confidence: coverage.
    """
    if not len(values):
        return NOTHING
    mean = float(values.mean())
    numbers = _numbered(clusters)
    units = int(numbers.max()) + 1
    return _interval(mean, _variance((values - mean) / len(values), numbers, mean, len(values), units), units, confidence)


def corrected_share(judge: Array, people: Array, clusters: Clusters, confidence: float) -> Corrected:
    """Returns what people would say of all examples, by the judge's word on all of them and theirs on some.

    Prediction-powered inference with the weight of the judge's word fitted (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, Science
    382:669-674; the weight: Angelopoulos, Duchi and Zrnic 2023, arXiv:2311.01453). With the people's values y and the judge's
    f on n labelled examples, and f on N others, it is mean(y) + w (mean of f on the others - mean of f on the labelled); w is
    cov(y, f) / ((1 + n/N) var(f)), within [0, 1]: a judge that says nothing of what people say changes nothing. It takes the labelled
    examples for a random draw of all.

    Args:
        judge: `[N]`, as in `share`.
        people: `[N]`, their mean value of each example; NaN where none is labelled.
        clusters: `[N]`.
        confidence: coverage.
    """
    has_label = ~np.isnan(people)
    num_labelled, num_others = int(has_label.sum()), int((~has_label).sum())
    if not num_labelled:
        return Corrected(NOTHING, 0.0)
    said, known, others = people[has_label], judge[has_label], judge[~has_label]
    spread = float(judge.var(ddof=1)) if len(judge) > 1 else 0.0
    power = 0.0
    if num_labelled > 1 and num_others and spread > 0:
        covariance = float(((said - said.mean()) * (known - known.mean())).sum()) / (num_labelled - 1)
        power = float(np.clip(covariance / ((1 + num_labelled / num_others) * spread), 0.0, 1.0))
    value = float(said.mean())
    influence = np.zeros(len(judge))
    rest = said - power * known
    influence[has_label] = (rest - rest.mean()) / num_labelled
    if power:
        value += power * float(others.mean() - known.mean())
        influence[~has_label] = power * (others - others.mean()) / num_others
    value = min(1.0, max(0.0, value))
    numbers = _numbered(clusters)
    units = len(np.unique(numbers[has_label]))
    return Corrected(_interval(value, _variance(influence, numbers, value, num_labelled, units), units, confidence), power)


def scaled(rate: MetricValue, weight: float) -> MetricValue:
    """Returns a share of a part of the examples as the share of all, where the others are ties."""
    if rate.value is None or rate.low is None or rate.high is None:
        return rate
    value, low, high = (weight * one + (1 - weight) / 2 for one in (rate.value, rate.low, rate.high))
    return MetricValue(value=value, low=low, high=high)


def _numbered(clusters: Clusters) -> Clusters:
    numbers: Clusters = np.unique(clusters, return_inverse=True)[1]
    return numbers


def _variance(influence: Array, numbers: Clusters, mean: float, count: int, units: int) -> float:
    """Returns the variance of an estimate from each example's part in it, summed over clusters.

    Half a success and half a failure are added, as for paired proportions (Agresti and Min 2005): few ties among wins do not mean that
    nothing is uncertain.

    Args:
        influence: `[N]`, how far each example moves the estimate from where it is.
        numbers: `[N]`, the cluster of each, from 0.
        mean: the estimate.
        count: the examples that it rests on.
        units: the clusters of these.
    """
    sums = cluster_sums(influence[:, None], numbers)[:, 0]
    added = (mean**2 + (1 - mean) ** 2) / 2 / count**2
    return (float((sums**2).sum()) * units / max(units - 1, 1) + added) * (count / (count + 1)) ** 2


def _interval(mean: float, variance: float, units: int, confidence: float) -> MetricValue:
    """Returns Wilson's interval for as many trials as the variance stands for, with Student's quantile for the units that it was told by.

    Of a share of 0 or 1 the variance tells nothing; there the units are the trials. Of two units nothing can be told.
    """
    from scipy.stats import t

    if units < 3:
        return MetricValue(value=mean, low=0.0, high=1.0)
    trials = mean * (1 - mean) / variance if 0 < mean < 1 else units
    quantile = float(t.ppf(0.5 + confidence / 2, units - 1))
    low, high = wilson_interval(mean * trials, trials, 2 * NormalDist().cdf(quantile) - 1)
    return MetricValue(value=mean, low=low, high=high)
