"""A Jinja environment for templates from strangers: sandboxed, strict about undefined names, and bounded in work and output."""

import functools
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

# Far above any real rendering of one row, far below what would hurt a machine.
MAX_STEPS = 100_000
MAX_CHARACTERS = 20_000_000
MAX_INTEGER = 10**12
_MAX_WIDTH = 10_000

# What a template may call on a string. Left out: methods that pad or format to a width given as a number.
_STRING_METHODS = frozenset(
    {
        "capitalize",
        "casefold",
        "count",
        "endswith",
        "find",
        "index",
        "isalnum",
        "isalpha",
        "isdigit",
        "isnumeric",
        "isspace",
        "istitle",
        "islower",
        "isupper",
        "join",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "replace",
        "rfind",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "swapcase",
        "title",
        "upper",
    }
)


class LimitError(SecurityError):
    """A template asked for more work or output than one row can need."""


@dataclass(slots=True)
class Budget:
    """What one rendering may still use."""

    steps: int = MAX_STEPS
    characters: int = MAX_CHARACTERS

    def step(self) -> None:
        """Counts one turn of a loop or one call."""
        self.steps -= 1
        if self.steps < 0:
            raise LimitError(f"the template runs more than {MAX_STEPS:,} loop turns and calls")

    def write(self, num_characters: int) -> None:
        """Counts output."""
        self.characters -= num_characters
        if self.characters < 0:
            raise LimitError(f"the template writes more than {MAX_CHARACTERS:,} characters")


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


def fresh_budget() -> None:
    """Starts the count anew. Called before each rendering."""
    _budget.set(Budget())


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of all templates.

    Keeps trailing newlines and leaves white space around Jinja's own tags alone (no trim_blocks): what stands in a template is part
    of the prompt. Dictionary items come before built-in methods, so that a field called `items` is the field.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, extensions: list[type]) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True, extensions=extensions, finalize=_count_output)
        for name in ("cycler", "joiner", "lipsum"):
            del self.globals[name]
        self.globals["range"] = _bounded_range
        # `random` would make two builds differ; a choice seeded by the row belongs in the data.
        for name in ("random", "pprint", "urlize", "xmlattr"):
            del self.filters[name]
        self.filters = {name: _guard_filter(function) for name, function in self.filters.items()}
        self.filters["_counted"] = _counted

    def parse(self, source: str, name: str | None = None, filename: str | None = None) -> nodes.Template:
        """Parses a template and puts its loops and concatenations under the budget."""
        return _Bounds().visit(super().parse(source, name, filename))  # type: ignore[no-any-return]

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Looks up items of a dictionary before its methods."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allows on strings only the methods whose result is bounded by their arguments."""
        if isinstance(obj, str):
            return attr in _STRING_METHODS
        return super().is_safe_attribute(obj, attr, value)

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Counts each call, and refuses those whose result would be huge."""
        budget = _budget.get()
        if budget is not None:
            budget.step()
        receiver = getattr(obj, "__self__", None)
        if isinstance(receiver, str) and getattr(obj, "__name__", "") == "replace" and len(args) >= 2:
            _check_replace(receiver, args[0], args[1])
        return _bounded(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuses arithmetic that builds huge strings, lists or numbers."""
        if operator == "**" and not (abs(left) < MAX_INTEGER and abs(right) <= 64):
            raise LimitError("the power is too large")
        if operator == "*":
            for sequence, times in ((left, right), (right, left)):
                if isinstance(sequence, str | list | tuple) and isinstance(times, int) and len(sequence) * times > MAX_CHARACTERS // 10:
                    raise LimitError("the repetition is too long")
        if operator == "%" and isinstance(left, str):
            _check_format(left)
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, int) and abs(result) > MAX_INTEGER**4:
            raise LimitError("the number is too large")
        return _bounded(result)


class _Bounds(NodeTransformer):
    """Wraps what loops iterate over in a counter, and `a ~ b` in `+` on text, which is intercepted."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 (the visitor's naming)
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "_counted", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        parts: list[nodes.Expr] = [nodes.Filter(part, "string", [], [], None, None, lineno=node.lineno) for part in node.nodes]
        return functools.reduce(lambda left, right: nodes.Add(left, right, lineno=node.lineno), parts)


def _count_output(value: Any) -> Any:
    budget = _budget.get()
    if budget is not None and isinstance(value, str):
        budget.write(len(value))
    return value


def _counted(values: Iterable[Any]) -> Iterator[Any]:
    budget = _budget.get()
    for value in values:
        if budget is not None:
            budget.step()
        yield value


def _bounded_range(*limits: int) -> range:
    result = range(*limits)
    if len(result) > MAX_STEPS:
        raise LimitError(f"the range has more than {MAX_STEPS:,} numbers")
    return result


def _bounded(value: Any) -> Any:
    if isinstance(value, str | list | tuple | dict) and len(value) > MAX_CHARACTERS:
        raise LimitError(f"a value is longer than {MAX_CHARACTERS:,} characters")
    return value


def _check_replace(text: str, old: str, new: str) -> None:
    if (text.count(old) if old else len(text) + 1) * len(new) > MAX_CHARACTERS:
        raise LimitError("the replacement is too long")


def _check_format(pattern: str) -> None:
    digits = 0
    for character in pattern:
        digits = digits + 1 if character.isdigit() or character == "*" else 0
        if digits >= len(str(_MAX_WIDTH)):
            raise LimitError("the format's width is too large")


def _guard_filter(function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuses filter arguments that name a huge width or count, and results that are huge."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        for argument in (*args[1:], *kwargs.values()):
            if isinstance(argument, int) and not isinstance(argument, bool) and abs(argument) > _MAX_WIDTH:
                raise LimitError(f"a filter's argument is {argument:,}, above {_MAX_WIDTH:,}")
        texts = [argument for argument in (*args, *kwargs.values()) if isinstance(argument, str)]
        if function.__name__ == "do_replace" and len(texts) >= 3:
            _check_replace(texts[0], texts[1], texts[2])
        if function.__name__ == "do_format" and texts:
            _check_format(texts[0])
        if function.__name__ == "sync_do_join" and len(texts) >= 1:
            _check_join(args, texts[-1])
        return _bounded(function(*args, **kwargs))

    return guarded


def _check_join(args: tuple[Any, ...], separator: str) -> None:
    count = next((len(argument) for argument in args if isinstance(argument, list | tuple)), 0)
    if count * len(separator) > MAX_CHARACTERS:
        raise LimitError("the joined text is too long")
