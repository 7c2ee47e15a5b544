"""A Jinja environment for templates from strangers: sandboxed, strict about undefined names, and bounded in work and output."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, cast

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from templates import limits
from templates.codegen import TagCodeGenerator
from templates.limits import LimitError

_MAX_BASE = 10**12
_MAX_EXPONENT = 64
_FORMAT_FLAGS = re.compile(r"[%)][-+ #.0-9*]*")
# Filters that `_Bounds` puts in. No template can name them: they are no identifiers.
COUNTED, PLAIN, COMPARED, SLICED, WRITTEN = "loop turns", "plain text", "compared", "sliced", "written text"

# What a template may call on a string. Left out: methods that pad or format to a width given as a number.
STRING_METHODS = frozenset(
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
# What a loop says of itself without being called.
_LOOP_VALUES = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0", "previtem", "nextitem"})
# Filters and tests that look no further than the first level of what they are given.
_SHALLOW = frozenset(
    {
        "length",
        "count",
        "first",
        "last",
        "list",
        "map",
        "select",
        "reject",
        "selectattr",
        "rejectattr",
        "default",
        "d",
        "attr",
        "items",
        "batch",
    }
    | {"slice", "defined", "undefined", "none", "mapping", "number", "sequence", "iterable", "sameas", "callable", "boolean"}
    | {"integer", "float", "true", "false"}
)


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of all templates.

    Keeps trailing newlines and leaves white space around Jinja's own tags alone (no trim_blocks): what stands in a template is part
    of the prompt. Dictionary items come before built-in methods, so that a field called `items` is the field.
    """

    code_generator_class = TagCodeGenerator
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, extensions: list[type]) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True, extensions=extensions, finalize=limits.printable)
        for name in ("cycler", "joiner", "lipsum"):
            del self.globals[name]
        self.globals["range"] = _bounded_range
        # `random` would make two builds differ; a choice seeded by the row belongs in the data. `wordwrap` takes time that grows with
        # the square of the text. The others make HTML or are for debugging.
        for name in ("random", "wordwrap", "pprint", "urlize", "xmlattr"):
            del self.filters[name]
        filters = cast("dict[str, Callable[..., Any]]", self.filters)
        tests = cast("dict[str, Callable[..., Any]]", self.tests)
        self.filters = {name: _guard(name, function) for name, function in filters.items()}
        self.tests = {name: _guard("defined" if name == "string" else name, function) for name, function in tests.items()}
        self.filters |= {COUNTED: _counted, PLAIN: _plain, COMPARED: _compared, SLICED: _sliced, WRITTEN: _written}

    def parse(self, source: str, name: str | None = None, filename: str | None = None) -> nodes.Template:
        """Parses a template and puts its loops, comparisons, slices and concatenations under the budget."""
        return _Bounds().visit(super().parse(source, name, filename))  # type: ignore[no-any-return]

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Returns the globals as they are when a template is compiled: each rendering copies them, and a chain is slow to copy."""
        return {**self.globals, **(d or {})}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Looks up items of a dictionary before its methods."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        if type(obj) is LoopContext and attribute in _LOOP_VALUES:
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> None:
        """Gives `str.format` no door of its own: Jinja's guards it against dunders, not against widths."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allows on strings only the methods whose result is bounded by their arguments, and none on numbers and ranges."""
        if isinstance(obj, str):
            return attr in STRING_METHODS
        return not isinstance(obj, int | float | range | bytes) and super().is_safe_attribute(obj, attr, value)

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Counts each call and what it is given, and refuses those whose result would be huge."""
        limits.step()
        receiver = getattr(obj, "__self__", None)
        for value in (receiver if isinstance(receiver, str | list | tuple) else None, *args, *kwargs.values()):
            limits.work(limits.text_size(value))
        if isinstance(receiver, str) and getattr(obj, "__name__", "") == "replace" and len(args) >= 2:
            _check_replace(receiver, str(args[0]), str(args[1]))
        if isinstance(receiver, str) and getattr(obj, "__name__", "") == "join" and args:
            limits.allow(limits.size(args[0]) * len(receiver), "the joined text")
        if isinstance(obj, LoopContext) and args:  # the next level of a recursive loop
            args = (_counted(args[0]), *args[1:])
        return _bounded(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuses arithmetic that builds huge strings, lists or numbers."""
        if operator == "**" and not (abs(left) < _MAX_BASE and abs(right) <= _MAX_EXPONENT):
            raise LimitError("the power is too large")
        if operator == "*":
            for sequence, times in ((left, right), (right, left)):
                if isinstance(sequence, str | list | tuple) and isinstance(times, int):
                    limits.allow(len(sequence) * times, "the repetition")
        if operator == "%" and isinstance(left, str):
            _check_format(left, right)
        return _bounded(super().call_binop(context, operator, left, right))


class _Bounds(NodeTransformer):
    """Puts a counting filter around whatever can repeat, grow, or read much without being called."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 (the visitor's naming)
        """Counts the turns, and the constant text that each of them writes."""
        self.generic_visit(node)
        node.iter = _through(COUNTED, cast("nodes.Expr", node.iter))
        _count_text(node)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:  # noqa: N802
        """Counts the constant text that each call writes."""
        self.generic_visit(node)
        _count_text(node)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802
        """Turns `a ~ b` into `+` on text, which is intercepted."""
        self.generic_visit(node)
        parts = [_through(PLAIN, part) for part in node.nodes]
        return functools.reduce(lambda left, right: nodes.Add(left, right, lineno=node.lineno), parts)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802
        """Counts what is compared or looked through."""
        self.generic_visit(node)
        node.expr = _through(COMPARED, node.expr)
        for operand in node.ops:
            operand.expr = _through(COMPARED, operand.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802
        """Counts what a slice copies."""
        self.generic_visit(node)
        return _through(SLICED, node) if isinstance(node.arg, nodes.Slice) else node


def _through(filter_name: str, node: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(node, filter_name, [], [], None, None, lineno=node.lineno)


def _count_text(repeated: nodes.For | nodes.Macro) -> None:
    for output in repeated.find_all(nodes.Output):
        output.nodes = [_through(WRITTEN, one) if isinstance(one, nodes.TemplateData) else one for one in output.nodes]


def _counted(values: Iterable[Any]) -> Iterator[Any]:
    step = limits.step
    for value in values:
        step()
        yield value


def _plain(value: Any) -> str:
    # Not Markup, which would escape what is added to it, and not Role.
    limits.work(limits.text_size(value))
    return str.__str__(str(value))


def _compared(value: Any) -> Any:
    limits.work(limits.text_size(value))
    return value


def _sliced(value: Any) -> Any:
    limits.work(limits.size(value))
    return value


@pass_context  # so that it runs at each rendering and is not folded into a constant
def _written(context: Context, text: str) -> str:  # noqa: ARG001
    return text


def _bounded_range(*bounds: int) -> range:
    result = range(*bounds)
    if len(result) > limits.MAX_STEPS:
        raise LimitError(f"the range has more than {limits.MAX_STEPS:,} numbers")
    return result


def _bounded(value: Any) -> Any:
    """Counts a result, which must not be huge; an iterator becomes a list, so that nothing grows unseen."""
    if type(value) is str:
        limits.allow(len(value), "a value")
        limits.work(len(value))
        return value
    if isinstance(value, Iterator) and not isinstance(value, LoopContext):
        value = list(value)
    if isinstance(value, int) and abs(value) > limits.MAX_INTEGER:
        raise LimitError("the number is too large")
    limits.allow(limits.size(value), "a value")
    limits.work(limits.size(value))
    return value


def _guard(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Puts a filter or test under the budget, and refuses arguments that name a huge width or count."""
    measure: Callable[[Any], int] = limits.size if name in _SHALLOW else limits.text_size
    check = _CHECKS.get(name)
    num_passed = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if check is None and len(args) == num_passed + 1 and not kwargs and type(args[-1]) is str:  # a plain filter on text, the usual case
            limits.work(measure(args[-1]) + (num_passed and limits.ITEM_CHARACTERS))
            return _bounded(function(*args))
        for argument in (*args, *kwargs.values()):
            limits.work(measure(argument))
        for argument in (*args[num_passed + 1 :], *kwargs.values()):
            if isinstance(argument, int) and abs(argument) > limits.MAX_WIDTH:
                raise LimitError(f"an argument of '{name}' is {argument:,}, above {limits.MAX_WIDTH:,}")
        if check is not None:
            check(*args[num_passed:], **kwargs)
        return _bounded(function(*args, **kwargs))

    return guarded


def _check_replace(text: Any, old: Any, new: Any, *_: Any, **__: Any) -> None:
    text, old, new = str(text), str(old), str(new)
    limits.allow((text.count(old) if old else len(text) + 1) * len(new), "the replacement")


def _check_format(pattern: Any, *arguments: Any, **named: Any) -> None:
    """Bounds `%`-formatting: every place may take the longest argument and the widest width."""
    pattern = str(pattern)
    widths = "".join(_FORMAT_FLAGS.findall(pattern))
    if "*" in widths:
        raise LimitError("a format's width must stand in the format")
    widest = max((int(width[:9]) for width in re.findall(r"[0-9]+", widths)), default=0)
    longest = max((limits.text_size(argument) for argument in (*arguments, *named.values())), default=0)
    limits.allow(len(pattern) + pattern.count("%") * max(widest, longest), "the formatted text")


def _check_join(values: Any, separator: Any = "", *_: Any, **__: Any) -> None:
    limits.allow(limits.size(values) * len(str(separator)), "the joined text")


def _check_indent(text: Any, width: Any = 4, *_: Any, **__: Any) -> None:
    limits.allow((str(text).count("\n") + 1) * (width if isinstance(width, int) else len(str(width))), "the indented text")


def _check_json(value: Any, indent: int | None = None) -> None:
    limits.allow(limits.indent_size(value) * (indent or 0), "the indented JSON")


def _check_sum(values: Any, attribute: Any = None, start: Any = 0) -> None:  # noqa: ARG001
    if not isinstance(start, int | float):
        raise LimitError("'sum' adds numbers only")


_CHECKS: dict[str, Callable[..., None]] = {
    "replace": _check_replace,
    "format": _check_format,
    "join": _check_join,
    "indent": _check_indent,
    "tojson": _check_json,
    "sum": _check_sum,
}
