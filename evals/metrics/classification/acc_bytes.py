"""acc_bytes."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.classification.lengths import is_best_for_its_length


class AccBytes(RowMetric):
    """Share of examples whose right choice has the highest log-likelihood over its number of UTF-8 bytes.

    The same as `acc_norm`, by a length that does not depend on the script: a Chinese character is three bytes and says as much as several
    letters. As lm-evaluation-harness defines it; a row whose choices are said by several words each has no value.
    """

    name = "acc_bytes"
    tasks = frozenset({Task.CLASSIFICATION})
    reads = ("prediction.loglikelihoods", "row.label")
    is_proportion = True
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1 where the right choice is the best for its bytes."""
        found = is_best_for_its_length(row, prediction, lambda choice: len(choice.encode()))
        return None if found is None else float(found)
