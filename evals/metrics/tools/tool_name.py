"""tool_name."""

from collections.abc import Sequence

from typing_extensions import override

from evals.data.tool_answers import ComparableCall, are_names_equal
from evals.metrics.tools.expected import ExpectedCalls


class ToolName(ExpectedCalls):
    """Share of the examples that expect a call in which the right functions are called, each as often as expected.

    The order of the calls of one turn makes no difference (as in the AST match of the Berkeley Function-Calling Leaderboard, Patil et al.,
    2025). Arguments are not looked at. No call, or one that cannot be read, counts as wrong.
    """

    name = "tool_name"
    value_range = (0.0, 1.0)

    @override
    def is_right(self, expected: Sequence[ComparableCall], given: Sequence[ComparableCall]) -> bool:
        """Says whether the same functions are called."""
        return are_names_equal(expected, given)
