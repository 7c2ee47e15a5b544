"""format_valid."""

from typing_extensions import override

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.formats.shape import shape_of


class FormatValid(RowMetric):
    """Share of answers that parse as their reference does: as JSON, as a list, or as lines with the same labels in the same order.

    A JSON object or array has to be one (RFC 8259: no NaN, nothing around it, in a code fence only where the reference stands in one);
    each line of a list needs the same kind of mark; each line of a frame its label. What stands in it is for other metrics. An answer that
    was cut at the length limit is not valid. Where the reference is prose there is no score.
    """

    name = "format_valid"
    tasks = frozenset({Task.GENERATION})
    is_proportion = True
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1 where the answer has the reference's form, or None where that has none."""
        wanted = shape_of(row.reference)
        if wanted is None:
            return None
        return float(prediction.state is not PredictionState.UNFINISHED and shape_of(prediction.answer, fewest_lines=1) == wanted)
