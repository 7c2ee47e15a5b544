"""accuracy."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric


class Accuracy(RowMetric):
    """Share of examples whose most probable choice is the right one."""

    name = "accuracy"
    tasks = frozenset({Task.CLASSIFICATION})
    is_proportion = True
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float:
        """Returns 1 where the chosen word is the right one."""
        return float(prediction.text == row.reference)
