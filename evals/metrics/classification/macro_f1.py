"""macro_f1."""

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, Metric, one_hot


class MacroF1(Metric):
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), each class counting the same, as scikit-learn computes it.

    A class that neither occurs nor is predicted is left out of the mean. There is no per-row score.
    """

    name = "macro_f1"
    tasks = frozenset({Task.CLASSIFICATION})

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 3 * num_classes]`: true positives, false positives and false negatives of each class."""
        predicted, actual = one_hot(rows, predictions)
        return np.hstack([predicted & actual, predicted & ~actual, ~predicted & actual]).astype(np.float64)

    @override
    def value(self, totals: Array) -> Array:
        """Returns the mean F1 of the classes that occur or are predicted."""
        true_positives, false_positives, false_negatives = np.split(totals, 3, axis=-1)
        denominator = 2 * true_positives + false_positives + false_negatives
        f1 = 2 * true_positives / np.where(denominator > 0, denominator, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(f1.sum(axis=-1) / (denominator > 0).sum(axis=-1))
