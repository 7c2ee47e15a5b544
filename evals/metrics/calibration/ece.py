"""ece."""

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, Metric
from evals.metrics.calibration.curves import bin_of
from evals.metrics.calibration.probabilities import confidences

NUM_BINS = 15


class Ece(Metric):
    """Expected calibration error (Guo et al. 2017): by how much the confidence of answers differs from their accuracy, in 15 equal bins.

    |accuracy - mean confidence| of each bin, averaged over the answers. The bins have one width and fixed edges, as is classical: every
    system and every resample is measured by the same ruler, and the value can be compared with published ones. (Bins of equal mass have
    less bias, but edges of their own in each system.) It is biased upward where rows are few: a perfectly calibrated system has about
    sqrt(bins / rows) / 3. The interval takes off what resampling shows of it, which is
    all where the error is plain and a part of it where there is next to none. There is no per-row score.
    """

    name = "ece"
    tasks = frozenset({Task.CLASSIFICATION})
    reads = ("prediction.loglikelihoods", "row.label")
    higher_is_better = False
    is_biased = True
    value_range = (0.0, 1.0)

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 16]`: confidence less right in the row's bin, and 1."""
        confidence, right, known = confidences(rows, predictions)
        found = np.zeros((len(rows), NUM_BINS + 1))
        found[np.arange(len(rows)), bin_of(confidence, NUM_BINS)] = confidence - right
        found[:, -1] = 1.0
        return found * known[:, None]

    @override
    def value(self, totals: Array) -> Array:
        """Returns the error, in [0, 1]."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.abs(totals[..., :-1]).sum(axis=-1) / totals[..., -1])
