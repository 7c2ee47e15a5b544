"""accuracy."""

from typing_extensions import override

from evals.metric import RowMetric
from evals.prediction import Prediction
from evals.rows import EvalRow, Task


class Accuracy(RowMetric):
    """Share of examples whose most probable choice is the right one."""

    name = "accuracy"
    tasks = frozenset({Task.CLASSIFICATION})
    is_proportion = True

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float:
        """Returns 1 where the chosen word is the right one."""
        return float(prediction.text == row.reference)
