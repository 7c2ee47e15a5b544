"""tool_arguments."""

from collections.abc import Sequence

from typing_extensions import override

from evals.data.tool_answers import ComparableCall, are_arguments_equal
from evals.metrics.tools.expected import ExpectedCalls


class ToolArguments(ExpectedCalls):
    """Share of the examples that expect a call in which the arguments of all calls are right, as JSON values.

    1 and 1.0 are equal, the order of keys makes no difference, texts are equal character for character, and a default that the
    function's JSON Schema names is filled in on both sides where it is left out. Calls of one function are held against each other first;
    what is left is compared whatever the function is called, so that a wrong name alone does not count here.
    """

    name = "tool_arguments"
    value_range = (0.0, 1.0)

    @override
    def is_right(self, expected: Sequence[ComparableCall], given: Sequence[ComparableCall]) -> bool:
        """Says whether the arguments are equal."""
        return are_arguments_equal(expected, given)
