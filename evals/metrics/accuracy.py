"""accuracy."""

from evals.metric import RowMetric
from evals.rows import Task


class Accuracy(RowMetric):
    """Share of examples whose most probable choice is the right one."""

    name = "accuracy"
    tasks = frozenset({Task.CLASSIFICATION})
    is_proportion = True

    def score(self, prediction: str, reference: str) -> float:
        """Returns 1 where the chosen word is the right one."""
        return float(prediction == reference)
