"""What the compiler keeps while it walks through a template: variables, rows to leave to Jinja, and the work that a row can cost."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import polars as pl
from jinja2 import nodes

from templates import limits
from templates.compile.values import Size, Value
from templates.template import Template

# Past these an expression would take longer than Jinja: Polars' time to plan one grows with more than the square of its depth.
_MAX_WEIGHT = 500
_MAX_DEPTH = 24


class NotPlainError(Exception):
    """A construct that is left to Jinja; the message says which and where."""


@dataclass(slots=True)
class CompileState:
    """The compiler's state.

    Attributes:
        template: the template.
        variables: name -> value, of the scope that is being compiled.
        fallback_masks: where a row is left to Jinja.
        work: the sum of what operations read and make, in characters.
        output: the sum of what expressions print, in characters.
        largest: the size of each value that was made.
    """

    template: Template
    variables: dict[str, Value] = field(default_factory=dict)
    fallback_masks: list[pl.Expr] = field(default_factory=list)
    work: Size = field(default_factory=Size)
    output: Size = field(default_factory=Size)
    largest: Size = field(default_factory=Size)

    def refuse(self, node: nodes.Node, what: str) -> NotPlainError:
        """Returns the error that leaves the template to Jinja."""
        return NotPlainError(f"line {node.lineno + self.template.first_line - 1} has {what}")

    def fall_back(self, rows: pl.Expr) -> None:
        """Leaves rows to Jinja where a condition holds."""
        self.fallback_masks.append(rows)

    @contextmanager
    def under(self, condition: pl.Expr | bool) -> Iterator[None]:
        """Within it, rows are left to Jinja only where the condition holds, too: nothing else of them is evaluated."""
        outer, self.fallback_masks = self.fallback_masks, []
        try:
            yield
        finally:
            outer.extend(condition & mask for mask in self.fallback_masks)
            self.fallback_masks = outer

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Within it, variables that are set are forgotten at the end."""
        outer = self.variables
        self.variables = dict(outer)
        try:
            yield
        finally:
            self.variables = outer

    def charge(self, node: nodes.Node, value: Value, operands: Sequence[Value] = ()) -> Value:
        """Counts an operation as the sandbox does, at the least, and returns its result."""
        size = value.size
        self.check(node, size)
        read = [operand.size for operand in operands]
        self.work = _add(self.work, *read, *read, size, size)
        self.largest = Size(max(self.largest.factor, size.factor), max(self.largest.constant, size.constant))
        return value

    def check(self, node: nodes.Node, size: Size) -> None:
        """Refuses what has grown too large to run column-wise."""
        if size.weight > _MAX_WEIGHT or size.depth > _MAX_DEPTH:
            raise self.refuse(node, "an expression that is nested too deeply or too long")

    def max_input_bytes(self) -> int:
        """Returns how long a row's longest input may be so that the sandbox's limits are certainly far; at most 0 where they never are."""
        bounds = [(self.work, limits.MAX_WORK), (self.output, limits.MAX_CHARACTERS), (self.largest, limits.MAX_CHARACTERS)]
        return min((limit // 2 - size.constant) // max(size.factor, 1) for size, limit in bounds)

    def print(self, value: Value) -> None:
        """Counts what an expression prints."""
        self.output = _add(self.output, value.size, Size(0, limits.ITEM_CHARACTERS))


def _add(*sizes: Size) -> Size:
    return Size(sum(size.factor for size in sizes), sum(size.constant for size in sizes))
