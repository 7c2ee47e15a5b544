"""Choices by log-likelihood over their length."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric


def best_for_length(loglikelihoods: Sequence[float], lengths: Sequence[int]) -> int | None:
    """Returns which choice has the highest log-likelihood over its length, of several as high the first; None where one is no number.

    Args:
        loglikelihoods: of each choice, in nats.
        lengths: of each choice's text, without what stands between prompt and choice; an empty one counts as 1.
    """
    scores = np.asarray(loglikelihoods, dtype=np.float64)
    if not np.isfinite(scores).all():
        return None
    return int(np.argmax(scores / np.maximum(lengths, 1)))


class AccuracyByLength(RowMetric):
    """Share of examples whose right choice is the best for its length. It needs `name` and `length`."""

    tasks = frozenset({Task.CLASSIFICATION})
    reads = ("prediction.loglikelihoods", "row.label")
    is_proportion = True
    value_range = (0.0, 1.0)

    @abstractmethod
    def length(self, choice: str) -> int:
        """Returns the length of a choice's text."""

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1 where the right choice is the best; None where a choice is said by several words, of which none has its length."""
        if row.words is not None and any(len(words) > 1 for words in row.words):
            return None
        best = best_for_length(prediction.loglikelihoods or (), [self.length(choice) for choice in row.choices or ()])
        return None if best is None else float(best == row.label)
