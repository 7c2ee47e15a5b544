"""json_schema_valid."""

from typing_extensions import override

from evals.data.json_answers import fits_schema, is_json
from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric


class JsonSchemaValid(RowMetric):
    """Share of the examples whose template says an `answer_schema` in which the answer is JSON that this JSON Schema takes.

    An answer that is no JSON object or list is not valid; a code fence around it is tolerated. Examples whose reference is none do not
    count.
    """

    name = "json_schema_valid"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, 1.0)
    reads = ("prediction.text", "row.reference", "row.schema")
    is_proportion = True

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1 where the answer is valid; None where no JSON is expected."""
        assert row.schema is not None, "the metric reads it"
        return float(fits_schema(prediction.answer, row.schema)) if is_json(row.reference) else None
