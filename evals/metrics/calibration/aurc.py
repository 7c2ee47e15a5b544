"""aurc."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, Metric
from evals.metrics.calibration.probabilities import confidences

NUM_RANKS = 128


class Aurc(Metric):
    """Area under the risk-coverage curve (Geifman and El-Yaniv 2017): the share of wrong answers among the k surest, averaged over all k.

    Low where mistakes are the unsure answers, so that abstaining from those helps; a confidence that says nothing gives the error rate.
    Answers of one confidence count as in random order. An order does not add up over rows, so the answers are sorted into 128 ranks of
    confidence, kept in every resample: one for each distinct confidence where there are no more, and the value is exact; else as
    many answers in each, among which the order is lost. That changes the value by less than 0.001. There is no per-row score.
    """

    name = "aurc"
    tasks = frozenset({Task.CLASSIFICATION})
    reads = ("prediction.loglikelihoods", "row.label")
    higher_is_better = False
    value_range = (0.0, 1.0)

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 256]`: 1 in the row's rank, the surest first, and then whether it is wrong, in its rank."""
        confidence, right, known = confidences(rows, predictions)
        found = np.zeros((len(rows), 2 * NUM_RANKS))
        places = np.flatnonzero(known)
        ranks = _ranks(confidence[places])
        found[places, ranks] = 1.0
        found[places, NUM_RANKS + ranks] = ~right[places]
        return found

    @override
    def value(self, totals: Array) -> Array:
        """Returns the area, in [0, 1].

        With C answers before a rank and W of them wrong, its j-th of c answers, w of them wrong, is expected to end a list of C + j answers
        with W + j w / c wrong ones. The sum of those shares over j is w + (W - C w / c) (digamma(C + c + 1) - digamma(C + 1)), which also
        holds where the counts are means over seeds.
        """
        from scipy.special import digamma

        counts, wrong = totals[..., :NUM_RANKS], totals[..., NUM_RANKS:]
        after = np.cumsum(counts, axis=-1)
        before = after - counts
        wrong_before = np.cumsum(wrong, axis=-1) - wrong
        slope = wrong / np.where(counts > 0, counts, 1.0)
        areas = wrong + (wrong_before - before * slope) * (digamma(after + 1) - digamma(before + 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(counts > 0, areas, 0.0).sum(axis=-1) / after[..., -1])


def _ranks(confidence: Array) -> npt.NDArray[np.int64]:
    """Returns the rank of each confidence, from 0 for the highest; equal ones have the same."""
    values, inverse, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    if len(values) <= NUM_RANKS:
        return np.asarray(inverse, dtype=np.int64)
    before = np.cumsum(counts) - counts
    return np.asarray((before * NUM_RANKS // len(confidence))[inverse], dtype=np.int64)
