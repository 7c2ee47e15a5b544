"""mcc."""

from collections.abc import Sequence

import numpy as np

from evals.metric import Array, RowMetric, one_hot
from evals.rows import Task


class Mcc(RowMetric):
    """Matthews correlation coefficient for any number of classes (Gorodkin 2004): 1 perfect, 0 no better than chance.

    0 where all predictions, or all references, are one class. There is no per-row score.
    """

    name = "mcc"
    tasks = frozenset({Task.CLASSIFICATION})
    has_row_score = False

    def statistics(self, predictions: Sequence[str], references: Sequence[str]) -> Array:
        """Returns `[N, 2 + 2 * num_classes]`: right, 1, predicted as each class, of each class."""
        predicted, right = one_hot(predictions, references)
        correct = (predicted & right).any(axis=1, keepdims=True)
        return np.hstack([correct, np.ones_like(correct), predicted, right]).astype(np.float64)

    def value(self, totals: Array) -> Array:
        """Returns R_K of equation 8 of Gorodkin (2004)."""
        correct, count = totals[..., 0], totals[..., 1]
        predicted, right = np.split(totals[..., 2:], 2, axis=-1)
        covariance = correct * count - (predicted * right).sum(axis=-1)
        spread = (count**2 - (predicted**2).sum(axis=-1)) * (count**2 - (right**2).sum(axis=-1))
        coefficient = covariance / np.sqrt(np.where(spread > 0, spread, 1))
        return np.where(count > 0, np.where(spread > 0, coefficient, 0.0), np.nan)
