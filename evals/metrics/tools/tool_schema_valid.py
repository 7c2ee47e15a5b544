"""tool_schema_valid."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from templates.calls import CallLoss


class ToolSchemaValid(RowMetric):
    """Share of the examples that expect a call whose calls are all of declared functions, with arguments that their JSON Schema takes.

    No call, or one that cannot be read, is not valid. Examples that declare no tool, or one whose schema is none, have no score. A valid
    call may still be the wrong one: it is what a server would run.
    """

    name = "tool_schema_valid"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, 1.0)
    reads = ("prediction.calls", "row.calls", "row.tools")
    is_proportion = True

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1 where all calls are valid, 0 where one is not or there is none; None where nothing tells what is."""
        from prep.targets.checks.rules import Findings
        from prep.targets.checks.tools import check_call, check_tools

        found = Findings()
        declared = check_tools(row.tools, "tools", found)
        if not row.calls or found.errors:
            return None
        if not prediction.calls or prediction.call_loss is CallLoss.MALFORMED:
            return 0.0
        for call in prediction.calls:
            check_call({"name": call.name, "arguments": call.arguments}, "call", declared, found)
        return float(not found.errors)
