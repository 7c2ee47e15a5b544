"""Filters and methods of text as column expressions."""

from collections.abc import Callable
from functools import partial

import polars as pl
from jinja2 import filters as jinja_filters
from jinja2 import nodes

from templates import limits
from templates.compile.state import CompileState
from templates.compile.text import Leaf, Text
from templates.compile.values import (
    MAX_MAGNITUDE,
    WHITE_SPACE,
    Kind,
    Size,
    Value,
    bool_value,
    int_value,
    leaf_value,
    read_float,
    read_int,
    text_value,
    together,
    words_value,
)

# A code point's other case can take three.
_CASE_GROWTH = 3
_DEFAULT_INDENT = 4


def apply(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    """Applies a filter to a compiled value.

    Raises:
        NotPlainError: the filter, or its arguments, are left to Jinja.
    """
    compiler = _FILTERS.get(node.name)
    if compiler is None:
        raise state.refuse(node, f"the filter '{node.name}'")
    return state.charge(node, compiler(state, node, value), [value])


def call(state: CompileState, node: nodes.Call, method: str, value: Value) -> Value:
    """Applies a method of text, as in `text.strip()`.

    Raises:
        NotPlainError: the method, or its arguments, are left to Jinja.
    """
    compiler = _METHODS.get(method)
    if value.kind != Kind.TEXT:
        raise state.refuse(node, f"the method '{method}' of what is no text")
    if compiler is None:
        raise state.refuse(node, f"the method '{method}'")
    return state.charge(node, compiler(state, node, value), [value])


def join(state: CompileState, node: nodes.Filter, values: list[Value]) -> Value:
    """Joins the items that a list names, with a constant between them."""
    (separator,) = _constants(state, node, "d", defaults=("",))
    between = str(separator)
    pieces: Text = ()
    for index, value in enumerate(values):
        pieces += value.text if index == 0 else (between, *value.text)
    return text_value(pieces, together([value.size for value in values], len(between) * len(values)))


def cut(state: CompileState, node: nodes.Expr, value: Value, start: int | None, stop: int | None) -> Value:
    """`text[start:stop]`, in characters."""
    expr = value.expr
    size = value.size.grown()
    if start is not None and start < 0 and stop is None:
        return leaf_value(expr.str.tail(-start), size)
    start = start or 0
    if start < 0 or (start > 0 and stop is not None and stop < 0):
        raise state.refuse(node, "a slice that counts from both ends")
    if stop is None:
        return leaf_value(expr.str.slice(start), size)
    return leaf_value(expr.str.head(stop) if start == 0 else expr.str.slice(start, max(stop - start, 0)), size)


def _constants(
    state: CompileState, node: nodes.Filter | nodes.Call, *names: str, defaults: tuple[object, ...] | None = None
) -> list[object]:
    """Returns the arguments of the given names, which must be constants; where they may be left out, `defaults` says what they are."""
    given: dict[str, object] = dict(zip(names, defaults, strict=True)) if defaults is not None else {}
    by_place, by_name = dict(zip(names, node.args, strict=False)), {str(pair.key): pair.value for pair in node.kwargs}
    is_known = len(node.args) <= len(names) and set(by_name) <= set(names) - set(by_place) and not node.dyn_args and not node.dyn_kwargs
    # Methods of text take no argument by name.
    is_known = is_known and not (by_name and isinstance(node, nodes.Call))
    argument: nodes.Expr
    for name, argument in [*by_place.items(), *by_name.items()]:
        is_known = is_known and isinstance(argument, nodes.Const)
        given[name] = argument.value if isinstance(argument, nodes.Const) else None
    if not is_known or set(given) != set(names):
        raise state.refuse(node, f"arguments of '{_name_of(node)}' that are no plain constants")
    return [given[name] for name in names]


def _name_of(node: nodes.Filter | nodes.Call) -> str:
    return node.name if isinstance(node, nodes.Filter) else getattr(node.node, "attr", "call")


def _strip(state: CompileState, node: nodes.Filter | nodes.Call, value: Value, how: str = "strip_chars") -> Value:
    (characters,) = _constants(state, node, "chars", defaults=(None,))
    if characters is not None and (not isinstance(characters, str) or not characters):
        raise state.refuse(node, f"arguments of '{_name_of(node)}' that are no text")
    strip = getattr(_printed(value).str, how)
    return leaf_value(strip(WHITE_SPACE if characters is None else characters), value.size.grown(), is_clean=_is_clean(value))


def _printed(value: Value) -> pl.Expr:
    """The column of what a value prints: filters on text take everything as its text."""
    return text_value(value.text, value.size).expr


def _is_clean(value: Value) -> bool:
    return all(isinstance(piece, Leaf) and piece.is_clean for piece in value.text)


def _case(state: CompileState, node: nodes.Filter | nodes.Call, value: Value, *, is_lower: bool) -> Value:
    _constants(state, node)
    change = str.lower if is_lower else str.upper
    expr = _printed(value).map_batches(partial(_change_case, change, is_lower=is_lower), return_dtype=pl.String, is_elementwise=True)
    return leaf_value(expr, value.size.grown(_CASE_GROWTH))


def _change_case(change: Callable[[str], str], texts: pl.Series, *, is_lower: bool) -> pl.Series:
    changed = texts.str.to_lowercase() if is_lower else texts.str.to_uppercase()
    # 55 code points change case otherwise in Polars than in Python, and a final sigma depends on what stands before it: rows that
    # are not all ASCII go through Python itself.
    rows = (texts.str.len_bytes() != texts.str.len_chars()).fill_null(False).arg_true()
    if rows.is_empty():
        return changed
    return changed.scatter(rows, [change(text) for text in texts.gather(rows)])


def _by_python(value: Value, function: Callable[[str], str], size: Size) -> Value:
    """A function of Python or Jinja itself, called row by row: still far less work than a rendering."""
    expr = _printed(value).map_batches(partial(_map, function), return_dtype=pl.String, is_elementwise=True)
    return leaf_value(expr, size)


def _map(function: Callable[[str], str], texts: pl.Series) -> pl.Series:
    return pl.Series(texts.name, [None if text is None else function(text) for text in texts.to_list()], pl.String)


def _title(state: CompileState, node: nodes.Filter | nodes.Call, value: Value) -> Value:
    _constants(state, node)
    return _by_python(value, jinja_filters.do_title if isinstance(node, nodes.Filter) else str.title, value.size.grown(_CASE_GROWTH))


def _capitalize(state: CompileState, node: nodes.Filter | nodes.Call, value: Value) -> Value:
    _constants(state, node)
    return _by_python(value, str.capitalize, value.size.grown(_CASE_GROWTH))


def _truncate(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    names = ("length", "killwords", "end", "leeway")
    length, killwords, end, leeway = _constants(state, node, *names, defaults=(255, False, "...", None))
    is_plain = isinstance(length, int) and isinstance(end, str) and isinstance(leeway, int | None) and isinstance(killwords, bool)
    if not is_plain or value.kind != Kind.TEXT or not len(str(end)) <= int(str(length)) <= limits.MAX_WIDTH or int(leeway or 0) < 0:  # type: ignore[call-overload]
        raise state.refuse(node, "arguments of 'truncate' that do not go together")
    shorten = partial(_shorten, state, length=length, killwords=killwords, end=end, leeway=leeway)
    return _by_python(value, shorten, value.size.grown(plus=len(str(end))))


def _shorten(state: CompileState, text: str, **arguments: object) -> str:
    return jinja_filters.do_truncate(state.template.environment, text, **arguments)  # type: ignore[arg-type]


def _indent(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    width, first, blank = _constants(state, node, "width", "first", "blank", defaults=(_DEFAULT_INDENT, False, False))
    if not isinstance(width, int) or not 0 <= width <= limits.MAX_WIDTH or value.kind != Kind.TEXT:
        raise state.refuse(node, "an indentation that is no number of columns")
    indent = partial(jinja_filters.do_indent, width=width, first=bool(first), blank=bool(blank))
    return _by_python(value, indent, value.size.grown(1 + width, 2 * width + 2))


def _replace(state: CompileState, node: nodes.Filter | nodes.Call, value: Value) -> Value:
    old, new = _constants(state, node, "old", "new")
    if not isinstance(old, str) or not isinstance(new, str) or not old:
        raise state.refuse(node, "a replacement of the empty text, or of what is no text")
    size = value.size.grown(max(1, len(new)))
    return leaf_value(_printed(value).str.replace_all(old, new, literal=True), size)


def _verbalize(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    _constants(state, node)
    key = _printed(value)
    if value.kind == Kind.BOOL and value.number is not None:
        key = pl.when(value.number).then(pl.lit("true")).otherwise(pl.lit("false"))
    elif value.kind == Kind.MIXED:
        raise state.refuse(node, "the filter 'verbalize' on one of several types")
    word, unknown = words_value(key, state.template.verbalizer, value.size)
    state.fall_back(unknown)
    return word


def _length(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    _constants(state, node)
    if value.kind != Kind.TEXT:
        raise state.refuse(node, f"the length of {value.kind}")
    return int_value(
        value.expr.str.len_chars().cast(pl.Int64), Size(0, 8, value.size.weight + 1, value.size.depth + 1), limits.MAX_CHARACTERS
    )


def _word_count(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    _constants(state, node)
    counts = _printed(value).map_batches(_count_words, return_dtype=pl.Int64, is_elementwise=True)
    return int_value(counts, Size(0, 8, value.size.weight + 1, value.size.depth + 1), limits.MAX_CHARACTERS)


def _count_words(texts: pl.Series) -> pl.Series:
    return pl.Series(texts.name, [None if text is None else jinja_filters.do_wordcount(text) for text in texts.to_list()], pl.Int64)


def _end(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    """`first` and `last` of a text, whose error on an empty one is left to Jinja."""
    _constants(state, node)
    if value.kind != Kind.TEXT:
        raise state.refuse(node, f"the filter '{node.name}' on {value.kind}")
    state.fall_back(value.expr == "")
    expr = value.expr.str.head(1) if node.name == "first" else value.expr.str.tail(1)
    return leaf_value(expr, Size(0, 1, value.size.weight + 1, value.size.depth + 1))


def _string(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    _constants(state, node)
    return text_value(value.text, value.size.grown())


def _number(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    """`int` and `float` without arguments."""
    _constants(state, node)
    if str(value.kind) == node.name:
        return value
    if value.kind == Kind.TEXT:
        number, unusual = (read_int if node.name == "int" else read_float)(value.expr, value.size)
    elif value.kind == Kind.INT and value.magnitude < 10**15:
        number, unusual = read_float_of_int(value)
    elif value.kind == Kind.FLOAT and value.number is not None:
        return int_value(value.number.cast(pl.Int64, strict=False), value.size.grown(), value.magnitude)
    else:
        raise state.refuse(node, f"the filter '{node.name}' on {value.kind}")
    state.fall_back(unusual)
    return number


def read_float_of_int(value: Value) -> tuple[Value, pl.Expr]:
    """Turns an int of fifteen digits at most into a float; no row is unusual."""
    assert value.number is not None
    number = value.number.cast(pl.Float64)
    text: Text = (*value.text, ".0")
    return Value(Kind.FLOAT, text, number != 0, value.size.grown(plus=2), number, value.magnitude), pl.lit(False)


def _abs(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    _constants(state, node)
    if value.kind != Kind.INT or value.number is None or value.magnitude > MAX_MAGNITUDE:
        raise state.refuse(node, f"the filter 'abs' on {value.kind}")
    return int_value(value.number.abs(), value.size.grown(), value.magnitude)


def _affix(state: CompileState, node: nodes.Call, value: Value) -> Value:
    """`startswith`, `endswith`, `removeprefix` and `removesuffix` with a constant."""
    (affix,) = _constants(state, node, "affix")
    method = _name_of(node)
    if not isinstance(affix, str):
        raise state.refuse(node, f"the method '{method}' with what is no text")
    functions = {
        "startswith": value.expr.str.starts_with,
        "endswith": value.expr.str.ends_with,
        "removeprefix": value.expr.str.strip_prefix,
        "removesuffix": value.expr.str.strip_suffix,
    }
    result = functions[method](affix)
    return bool_value(result, value.size.grown()) if method.endswith("with") else leaf_value(result, value.size.grown())


_Compiler = Callable[..., Value]
_SHARED: dict[str, _Compiler] = {
    "lower": partial(_case, is_lower=True),
    "upper": partial(_case, is_lower=False),
    "title": _title,
    "capitalize": _capitalize,
    "replace": _replace,
}
_FILTERS: dict[str, _Compiler] = _SHARED | {
    "trim": _strip,
    "truncate": _truncate,
    "indent": _indent,
    "verbalize": _verbalize,
    "length": _length,
    "count": _length,
    "wordcount": _word_count,
    "first": _end,
    "last": _end,
    "string": _string,
    "int": _number,
    "float": _number,
    "abs": _abs,
}
_METHODS: dict[str, _Compiler] = _SHARED | {
    "strip": _strip,
    "lstrip": partial(_strip, how="strip_chars_start"),
    "rstrip": partial(_strip, how="strip_chars_end"),
    "startswith": _affix,
    "endswith": _affix,
    "removeprefix": _affix,
    "removesuffix": _affix,
}
