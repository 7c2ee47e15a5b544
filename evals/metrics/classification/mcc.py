"""mcc."""

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, Metric, one_hot


class Mcc(Metric):
    """Matthews correlation coefficient for any number of classes (Gorodkin 2004): 1 perfect, 0 no better than chance.

    0 where all predictions, or all references, are one class. There is no per-row score.
    """

    name = "mcc"
    tasks = frozenset({Task.CLASSIFICATION})
    value_range = (-1.0, 1.0)

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 2 + 2 * num_classes]`: right, 1, predicted as each class, of each class."""
        predicted, actual = one_hot(rows, predictions)
        correct = (predicted & actual).any(axis=1, keepdims=True)
        return np.hstack([correct, np.ones_like(correct), predicted, actual]).astype(np.float64)

    @override
    def value(self, totals: Array) -> Array:
        """Returns R_K of equation 8 of Gorodkin (2004)."""
        correct, count = totals[..., 0], totals[..., 1]
        predicted, actual = np.split(totals[..., 2:], 2, axis=-1)
        covariance = correct * count - (predicted * actual).sum(axis=-1)
        spread = (count**2 - (predicted**2).sum(axis=-1)) * (count**2 - (actual**2).sum(axis=-1))
        coefficient = covariance / np.sqrt(np.where(spread > 0, spread, 1))
        return np.where(count > 0, np.where(spread > 0, coefficient, 0.0), np.nan)
