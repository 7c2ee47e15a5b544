"""The curves that calibration is read from: reliability, and risk by coverage. Pure functions of arrays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evals.metrics.base import Array
from loopwright.statistics import wilson_interval

Bools = npt.NDArray[np.bool_]
Values = Sequence[float] | Array


class ReliabilityBin(NamedTuple):
    """The answers of one range of confidence.

    Attributes:
        mean_confidence: of the answers, in [0, 1].
        accuracy: the share of them that is right.
        low: lower end of Wilson's interval of that share.
        high: its upper end.
        num_answers: how many there are.
    """

    mean_confidence: float
    accuracy: float
    low: float
    high: float
    num_answers: int


def bin_of(confidence: Array, num_bins: int) -> npt.NDArray[np.int64]:
    """Returns the bin of each confidence, from 0: of bins of one width over [0, 1], each with its upper end (Guo et al. 2017)."""
    # 0.3 * 10 is 3.0000000000000004 in doubles: a confidence on an edge must not slip into the bin above.
    return np.clip(np.ceil(np.round(confidence * num_bins, 9)).astype(np.int64) - 1, 0, num_bins - 1)


def reliability(confidence: Values, right: Sequence[bool] | Bools, num_bins: int = 15, level: float = 0.95) -> list[ReliabilityBin]:
    """Returns the reliability diagram (DeGroot and Fienberg 1983): the bins that hold an answer, of the lowest confidence first.

    The bins are those of `ece`, which is the mean over answers of |accuracy - mean_confidence| of their bins.

    Args:
        confidence: `[N]`, the probability that each answer has by the system, in [0, 1].
        right: `[N]`, whether it is right.
        num_bins: bins of one width over [0, 1].
        level: coverage of the intervals.
    """
    stated, is_right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.bool_)
    bins = bin_of(stated, num_bins)
    found = []
    for number in np.unique(bins):
        chosen = bins == number
        count = int(chosen.sum())
        num_right = int(is_right[chosen].sum())
        low, high = wilson_interval(num_right, count, level)
        found.append(ReliabilityBin(float(stated[chosen].mean()), num_right / count, low, high, count))
    return found


def risk_coverage(confidence: Values, right: Sequence[bool] | Bools) -> tuple[Array, Array]:
    """Returns the risk-coverage curve (El-Yaniv and Wiener 2010): the share of wrong answers among the surest ones.

    Answers of one confidence come together: no threshold tells them apart. So there is one point for each distinct confidence, of the
    highest first.

    Args:
        confidence: `[N]`, of each answer.
        right: `[N]`, whether it is right.

    Returns:
        `coverage [M]`, the share of the answers that are at least so sure, up to 1, and `risk [M]`, the share of those that is wrong.
    """
    stated, is_right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.bool_)
    order = np.argsort(-stated, kind="stable")
    if not len(order):
        return np.zeros(0), np.zeros(0)
    ends = np.append(np.flatnonzero(np.diff(stated[order])), len(order) - 1)
    counts = ends + 1.0
    return counts / len(order), np.cumsum(~is_right[order])[ends] / counts
