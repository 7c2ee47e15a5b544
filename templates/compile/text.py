"""Text that is made of constants, columns and conditions: written out as a Polars expression, plain or escaped for JSON."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import polars as pl


@dataclass(frozen=True, slots=True)
class Leaf:
    """Text out of columns.

    Attributes:
        expr: a string expression.
        is_clean: whether none of its values has a character that JSON escapes, such as numbers.
    """

    expr: pl.Expr
    is_clean: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """One text or another, by a condition of the row."""

    condition: pl.Expr
    then: "Text"
    otherwise: "Text"


Text = tuple[str | Leaf | Branch, ...]


Pieces = list[str | pl.Expr]


def plain(text: Text) -> pl.Expr:
    """Returns the expression of a text."""
    return joined(_pieces(text, str, lambda leaf: leaf.expr))


def json_string(text: Text) -> Pieces:
    """Returns the pieces of a text as a JSON string, quotes included, in the bytes of `json.dumps(ensure_ascii=False)`."""
    return ['"', *_pieces(text, escape, lambda leaf: leaf.expr if leaf.is_clean else _escape_column(leaf.expr)), '"']


def escape(text: str) -> str:
    """Returns a constant as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def is_clean(text: str) -> bool:
    """Says whether JSON leaves a text as it is."""
    return escape(text) == text


def _escape_column(expr: pl.Expr) -> pl.Expr:
    # Twice as fast as replacing each character that JSON escapes, even where there is none.
    return pl.struct(x=expr).struct.json_encode().str.strip_suffix('"}').str.strip_prefix('{"x":"')


def joined(pieces: Pieces) -> pl.Expr:
    """Returns the expression of pieces one after the other."""
    parts: list[pl.Expr] = []
    for is_constant, group in groupby(pieces, lambda piece: isinstance(piece, str)):
        if is_constant:
            parts.append(pl.lit("".join(piece for piece in group if isinstance(piece, str))))
        else:
            parts.extend(piece for piece in group if isinstance(piece, pl.Expr))
    if not parts:
        return pl.lit("")
    # Not pl.format, which panics in Polars 2.1 on a column of several chunks one of which a filter left empty.
    return parts[0] if len(parts) == 1 else pl.concat_str(parts)


def _pieces(text: Text, constant: Callable[[str], str], column: Callable[[Leaf], pl.Expr]) -> Pieces:
    pieces: Pieces = []
    for piece in text:
        if isinstance(piece, str):
            pieces.append(constant(piece))
        elif isinstance(piece, Leaf):
            pieces.append(column(piece))
        else:
            then, otherwise = (joined(_pieces(branch, constant, column)) for branch in (piece.then, piece.otherwise))
            pieces.append(pl.when(piece.condition).then(then).otherwise(otherwise))
    return pieces
