"""json_valid."""

from typing_extensions import override

from evals.data.json_answers import JsonState, is_json, read_json
from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric


class JsonValid(RowMetric):
    """Share of the examples whose reference is a JSON object or list in which the answer is one, too (RFC 8259).

    A code fence around it is tolerated, and counted under `json_states` of the report; words around it are not, nor are `NaN`, single
    quotes and trailing commas.
    """

    name = "json_valid"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, 1.0)
    is_proportion = True

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1 where the answer is JSON; None where none is expected."""
        return float(read_json(prediction.answer)[0] is not JsonState.INVALID) if is_json(row.reference) else None
