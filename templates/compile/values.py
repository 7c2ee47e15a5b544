"""What an expression of a template stands for while it is compiled: its type, its column, what it prints, and how large it can be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import polars as pl

from templates.compile.text import Branch, Leaf, Text, is_clean, plain

# Python integers have no bound and floats hold them exactly up to 2**53: within it, Int64 and Float64 compare as Python does.
MAX_MAGNITUDE = 2**53
# What Python's str.strip takes for white space; Polars' own default leaves U+001C to U+001F in.
WHITE_SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
# The usual ways to write a number. All others, which Python may read (" 1_000", "1e-7", "nan"), are left to it.
_USUAL_INT = r"^[+-]?[0-9]{1,15}$"
_USUAL_FLOAT = r"^-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?$"
_MAX_INT = 10**15 - 1
_JSON_INT = r"^-?(?:0|[1-9][0-9]{0,14})$"
# The first character of what cannot be JSON; these words are.
_NO_JSON = r"^[^\s\[{\"0-9-]"
_JSON_WORDS = ["true", "false", "null", "NaN", "Infinity"]
# Below it Python prints a float with an exponent.
_SMALLEST_DECIMAL = 1e-4
_TRUE = ["true", "True", "TRUE", "1", "yes", "Yes", "YES", "y", "Y", "t", "T"]
_FALSE = ["false", "False", "FALSE", "0", "no", "No", "NO", "n", "N", "f", "F"]


class Kind(StrEnum):
    """The Python type that Jinja would have; `MIXED` is one of several by a condition, `UNDEFINED` the else that an inline if lacks.

    A `LIST` is one that stands in the template, and is never printed.
    """

    TEXT = "text"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    NONE = "none"
    UNDEFINED = "undefined"
    LIST = "list"
    MIXED = "one of several types"


NUMBERS = frozenset({Kind.INT, Kind.FLOAT, Kind.BOOL})


@dataclass(frozen=True, slots=True)
class Size:
    """How large a value is.

    Attributes:
        factor: with `constant`, the bound of what it prints: `factor` times the row's longest input, plus `constant`, in characters.
        constant: see `factor`.
        weight: the number of operations in its expression.
        depth: how deeply they are nested.
    """

    factor: int = 0
    constant: int = 0
    weight: int = 1
    depth: int = 1

    def grown(self, times: int = 1, plus: int = 0, *, weight: int = 1) -> "Size":
        """Returns the size after an operation that multiplies the length and adds to it."""
        return Size(self.factor * times, self.constant * times + plus, self.weight + weight, self.depth + 1)


def together(sizes: Sequence[Size], plus: int = 0) -> Size:
    """Returns the size of what joins values."""
    return Size(
        sum(size.factor for size in sizes),
        sum(size.constant for size in sizes) + plus,
        sum(size.weight for size in sizes) + 1,
        max((size.depth for size in sizes), default=0) + 1,
    )


@dataclass(frozen=True, slots=True)
class Value:
    """A compiled expression.

    Attributes:
        kind: its type.
        text: what it prints.
        truth: whether it counts as true; a bool where that is known.
        size: its bounds.
        number: the number or boolean, of those kinds.
        magnitude: the bound of the number's absolute value.
        constant: the Python value; None unless `is_constant`.
        is_constant: whether it is the same for all rows.
        alternatives: of a value of several types, a condition, the value where it holds and the value where it does not.
        items: of a list that stands in the template.
    """

    kind: Kind
    text: Text
    truth: pl.Expr | bool
    size: Size = field(default_factory=Size)
    number: pl.Expr | None = None
    magnitude: int = 0
    constant: object = None
    is_constant: bool = False
    alternatives: "tuple[pl.Expr, Value, Value] | None" = None
    items: "tuple[Value, ...]" = ()

    @property
    def expr(self) -> pl.Expr:
        """The column: numbers and booleans as such, everything else as it prints."""
        return plain(self.text) if self.number is None else self.number


def constant(value: object) -> Value | None:
    """Returns a constant's value; None for a type that is not compiled."""
    text = str(value)
    size = Size(0, len(text))
    shared = {"truth": bool(value), "size": size, "constant": value, "is_constant": True}
    if value is None:
        return Value(Kind.NONE, (text,), **shared)  # type: ignore[arg-type]
    if isinstance(value, str):
        return Value(Kind.TEXT, (text,), **shared)  # type: ignore[arg-type]
    if not isinstance(value, int | float) or not abs(value) <= MAX_MAGNITUDE:
        return None
    kind = Kind.BOOL if isinstance(value, bool) else Kind.INT if isinstance(value, int) else Kind.FLOAT
    return Value(kind, (text,), number=pl.lit(value), magnitude=int(abs(value)) + 1, **shared)  # type: ignore[arg-type]


def text_value(text: Text, size: Size) -> Value:
    """Returns a value of type str."""
    if all(isinstance(piece, str) for piece in text):
        whole = "".join(piece for piece in text if isinstance(piece, str))
        return Value(Kind.TEXT, (whole,), bool(whole), size, constant=whole, is_constant=True)
    return Value(Kind.TEXT, text, plain(text).str.len_bytes() > 0, size)


def leaf_value(expr: pl.Expr, size: Size, *, is_clean: bool = False) -> Value:
    """Returns a value of type str that is one column."""
    return text_value((Leaf(expr, is_clean),), size)


def int_value(number: pl.Expr, size: Size, magnitude: int) -> Value:
    """Returns a value of type int, of an Int64 column."""
    return Value(Kind.INT, (Leaf(number.cast(pl.String), is_clean=True),), number != 0, size, number, magnitude)


def bool_value(condition: pl.Expr | bool, size: Size) -> Value:
    """Returns a value of type bool."""
    if isinstance(condition, bool):
        value = constant(condition)
        assert value is not None
        return value
    size = Size(0, 5, size.weight, size.depth)
    return Value(Kind.BOOL, (Branch(condition, ("True",), ("False",)),), condition, size, condition, 1)


def number_as(value: Value, *, is_float: bool) -> pl.Expr:
    """Returns a number or boolean as a column of floats or of integers."""
    assert value.number is not None
    return value.number.cast(pl.Float64 if is_float else pl.Int64)


def read_int(text: pl.Expr, size: Size) -> tuple[Value, pl.Expr]:
    """Reads text as `int` does; returns the value, and where the text is no usual number."""
    return int_value(text.cast(pl.Int64, strict=False), size.grown(plus=1), _MAX_INT), ~text.str.contains(_USUAL_INT)


def read_float(text: pl.Expr, size: Size) -> tuple[Value, pl.Expr]:
    """Reads text as `float` does; returns the value, and where the text is no usual number.

    Fifteen digits at most, so that the shortest text that gives the number back, which Python prints, is the text itself but for
    zeros at its end.
    """
    number = text.cast(pl.Float64, strict=False)
    decimals = text.str.strip_chars_end("0")
    shown = pl.when(~text.str.contains(".", literal=True)).then(pl.concat_str(text, pl.lit(".0")))
    shown = shown.when(decimals.str.ends_with(".")).then(pl.concat_str(decimals, pl.lit("0"))).otherwise(decimals)  # type: ignore[assignment]
    value = Value(Kind.FLOAT, (Leaf(shown, is_clean=True),), number != 0, size.grown(plus=2, weight=4), number, 10**9)
    has_exponent = (number.abs() < _SMALLEST_DECIMAL) & (number != 0)
    return value, ~text.str.contains(_USUAL_FLOAT) | has_exponent


def read_bool(text: pl.Expr, size: Size) -> tuple[Value, pl.Expr]:
    """Reads text as an input of type bool; returns the value, and where the text is no usual word for one."""
    return bool_value(text.is_in(_TRUE), size.grown()), ~text.is_in(_TRUE + _FALSE)


def read_json(text: pl.Expr, size: Size) -> tuple[Value, pl.Expr]:
    """Reads text as an input of type json: an int, a bool, or a text that is no JSON. Returns the value, and where it is none of them."""
    is_int, is_bool = text.str.contains(_JSON_INT), text.is_in(["true", "false"])
    is_text = (text == "") | (text.str.contains(_NO_JSON) & ~text.str.strip_chars(" \t\n\r").is_in(_JSON_WORDS))
    number, _ = read_int(text, size)
    value = choose(is_int, number, choose(is_bool, bool_value(text == "true", size), leaf_value(text, size)))
    return value, ~(is_int | is_bool | is_text)


def choose(condition: pl.Expr | bool, then: Value, otherwise: Value, weight: int = 1) -> Value:
    """Returns one value where a condition holds and another where it does not."""
    if isinstance(condition, bool):
        return then if condition else otherwise
    joined = together([then.size, otherwise.size])
    size = Size(
        max(then.size.factor, otherwise.size.factor),
        max(then.size.constant, otherwise.size.constant),
        joined.weight + weight,
        joined.depth,
    )
    text: Text = (Branch(condition, then.text, otherwise.text),)
    truth = (condition & then.truth) | (~condition & otherwise.truth)
    kind = then.kind if then.kind == otherwise.kind else Kind.MIXED
    number = None
    if kind in NUMBERS:
        number = pl.when(condition).then(then.expr).otherwise(otherwise.expr)
    alternatives = (condition, then, otherwise) if kind == Kind.MIXED else None
    return Value(kind, text, truth, size, number, max(then.magnitude, otherwise.magnitude), alternatives=alternatives)


def list_value(items: Sequence[Value]) -> Value:
    """Returns a list of values."""
    return Value(Kind.LIST, (), bool(items), together([item.size for item in items]), items=tuple(items))


def words_value(key: pl.Expr, words: Mapping[Any, str], size: Size) -> tuple[Value, pl.Expr]:
    """Returns the word for each key, and where a row's key is none of them."""
    expr = key.replace_strict(list(words), list(words.values()), default=None, return_dtype=pl.String)
    longest = max(map(len, words.values()))
    value = leaf_value(expr, Size(0, longest, size.weight + 1, size.depth + 1), is_clean=all(map(is_clean, words.values())))
    return value, ~key.is_in(list(words))
