"""What precision, recall and F1 of several classes are made of."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, Metric, one_hot


class PerClass(Metric):
    """A mean over classes of what is told by each one's true positives, false positives and false negatives."""

    tasks = frozenset({Task.CLASSIFICATION})
    value_range = (0.0, 1.0)

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 3 * num_classes]`: true positives, false positives and false negatives of each class."""
        predicted, actual = one_hot(rows, predictions)
        return np.hstack([predicted & actual, predicted & ~actual, ~predicted & actual]).astype(np.float64)

    @override
    def value(self, totals: Array) -> Array:
        """Returns the weighted mean of the classes' scores; NaN where nothing was summed."""
        true_positives, false_positives, false_negatives = np.split(totals, 3, axis=-1)
        weights = self.weights(true_positives, false_positives, false_negatives)
        scores = self.class_scores(true_positives, false_positives, false_negatives)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((scores * weights).sum(axis=-1) / weights.sum(axis=-1))

    @abstractmethod
    def class_scores(self, true_positives: Array, false_positives: Array, false_negatives: Array) -> Array:
        """Returns the score of each class, `[..., num_classes]`; 0 where it is not defined, as scikit-learn has it."""

    def weights(self, true_positives: Array, false_positives: Array, false_negatives: Array) -> Array:
        """Returns what each class counts: 1 where it occurs or is predicted."""
        return np.asarray(true_positives + false_positives + false_negatives > 0, dtype=np.float64)


def share(part: Array, whole: Array) -> Array:
    """Returns part / whole, 0 where the whole is 0."""
    return np.asarray(part / np.where(whole > 0, whole, 1))


def f1_of(true_positives: Array, false_positives: Array, false_negatives: Array) -> Array:
    """Returns F1 = 2 TP / (2 TP + FP + FN)."""
    return share(2 * true_positives, 2 * true_positives + false_positives + false_negatives)
