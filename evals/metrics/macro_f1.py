"""macro_f1."""

from collections.abc import Sequence

import numpy as np

from evals.metric import Array, RowMetric, one_hot
from evals.rows import Task


class MacroF1(RowMetric):
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), each class counting the same, as scikit-learn computes it.

    A class that neither occurs nor is predicted is left out of the mean. There is no per-row score.
    """

    name = "macro_f1"
    tasks = frozenset({Task.CLASSIFICATION})
    has_row_score = False

    def statistics(self, predictions: Sequence[str], references: Sequence[str]) -> Array:
        """Returns `[N, 3 * num_classes]`: true positives, false positives and false negatives of each class."""
        predicted, right = one_hot(predictions, references)
        return np.hstack([predicted & right, predicted & ~right, ~predicted & right]).astype(np.float64)

    def value(self, totals: Array) -> Array:
        """Returns the mean F1 of the classes that occur or are predicted."""
        true_positives, false_positives, false_negatives = np.split(totals, 3, axis=-1)
        denominator = 2 * true_positives + false_positives + false_negatives
        f1 = 2 * true_positives / np.where(denominator > 0, denominator, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(f1.sum(axis=-1) / (denominator > 0).sum(axis=-1))
