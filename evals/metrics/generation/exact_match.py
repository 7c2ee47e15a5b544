"""exact_match."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric


class ExactMatch(RowMetric):
    """Share of examples whose text equals the reference, character for character: nothing is stripped or folded."""

    name = "exact_match"
    tasks = frozenset({Task.CLASSIFICATION, Task.GENERATION})
    is_proportion = True
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float:
        """Returns 1 where the two texts are the same."""
        return float(prediction.text == row.reference)
