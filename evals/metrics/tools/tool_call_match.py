"""tool_call_match."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.data.tool_answers import ToolState, judge_calls
from evals.metrics.base import RowMetric


class ToolCallMatch(RowMetric):
    """Share of the examples with tools that make exactly the expected calls: the right functions, each with the right arguments.

    An example that declares tools and is answered in words expects no call, and is right without one: whether to call at all is a part of
    the task (the relevance detection of the Berkeley Function-Calling Leaderboard, Patil et al., 2025). Calls of one turn have no order;
    arguments are compared as `tool_arguments` does.
    """

    name = "tool_call_match"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, 1.0)
    reads = ("prediction.calls", "row.calls")
    is_proportion = True

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float:
        """Returns 1 where the calls are the expected ones, and where there are none and none is expected."""
        verdict = judge_calls(row, prediction)
        return float(verdict is None or verdict.state is ToolState.RIGHT)
