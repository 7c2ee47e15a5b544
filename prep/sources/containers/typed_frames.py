"""Frames of typed columns, as Parquet and Arrow files hold them, as rows of text."""

import datetime
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import polars as pl

from prep.sources.message_keys import KEPT_KEYS, ROLE_KEYS, TEXT_KEYS, TOOL_KEYS
from prep.sources.raw_file import RejectedRow
from prep.sources.source import LINE, RawRows, mark_texts

_BATCH_ROWS = 1 << 15
_NULL = ":null"


def text_rows(frames: Iterable[pl.DataFrame], first_line: int = 1) -> Iterator[RawRows]:
    """Yields frames of any types as frames of text, their values as they would look from JSON; a value of bytes rejects its row.

    Messages and tools are added without the nulls that such a file puts wherever another row has a key: they are no arguments of a call,
    no weights and no parameters of a tool.

    Args:
        frames: the rows, in order.
        first_line: the number of the first of them.
    """
    line = first_line
    for whole in frames:
        for frame in whole.iter_slices(_BATCH_ROWS):
            yield _to_rows(frame, line)
            line += frame.height


def _to_rows(frame: pl.DataFrame, first_line: int) -> RawRows:
    texts: list[pl.Series] = []
    cleaned: list[pl.Series] = []
    problems: dict[int, str] = {}
    for column in frame.iter_columns():
        if column.name == LINE:
            continue
        text, without_text = _to_text(column)
        texts.append(text)
        is_read = _holds_messages(column.dtype) or (column.dtype.is_nested() and column.name in TOOL_KEYS)
        if is_read and text.str.contains(_NULL, literal=True).any():
            cleaned.append(_without_nulls(text))
        for index, problem in without_text.items():
            problems.setdefault(index, f"'{column.name}' holds {problem}")
    rows = pl.DataFrame([pl.int_range(first_line, first_line + frame.height, eager=True).alias(LINE), *texts])
    rows = mark_texts(rows, [column.name for column in frame.iter_columns() if column.dtype == pl.String and column.name != LINE])
    added = pl.DataFrame(cleaned)
    if problems:
        is_good = ~pl.int_range(frame.height, eager=True).is_in(list(problems))
        rows, added = rows.filter(is_good), added.filter(is_good) if cleaned else added
    return RawRows(rows, [RejectedRow(first_line + index, "bad_value", detail) for index, detail in sorted(problems.items())], added)


def _holds_messages(kind: pl.DataType) -> bool:
    """Whether a type is a list of messages, or has one within it."""
    if isinstance(kind, pl.List):
        inner = kind.inner
        names = {one.name for one in inner.fields} if isinstance(inner, pl.Struct) else set()
        return bool(names & set(ROLE_KEYS) and names & {*TEXT_KEYS, *KEPT_KEYS})
    return isinstance(kind, pl.Struct) and any(_holds_messages(one.dtype) for one in kind.fields)  # type: ignore[arg-type]


def _without_nulls(texts: pl.Series) -> pl.Series:
    found = [text if text is None or _NULL not in text else _ENCODER.encode(_present(json.loads(text))) for text in texts]
    return pl.Series(texts.name, found, pl.String)


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _present(one) for key, one in value.items() if one is not None}
    return [_present(one) for one in value] if isinstance(value, list) else value


def _to_text(column: pl.Series) -> tuple[pl.Series, dict[int, str]]:
    """Returns a column as text, and the position of each value that has none."""
    kind = column.dtype
    if kind == pl.String:
        return column, {}
    if kind in {pl.Binary, pl.Object}:
        nothing = pl.Series(column.name, [None] * len(column), dtype=pl.String)
        return nothing, dict.fromkeys(column.is_not_null().arg_true(), "bytes, which have no text")
    if kind.is_temporal():
        return column.dt.to_string(), {}
    if kind.is_integer() or kind.is_decimal() or kind in {pl.Boolean, pl.Categorical, pl.Enum, pl.Null}:
        return column.cast(pl.String), {}
    problems: dict[int, str] = {}
    texts: list[str | None] = []
    for index, value in enumerate(column.to_list()):
        try:
            texts.append(value if isinstance(value, str) or value is None else _ENCODER.encode(value))
        except TypeError as error:
            problems[index] = str(error)
            texts.append(None)
    return pl.Series(column.name, texts, pl.String), problems


def _with_words(value: Any) -> str:
    if isinstance(value, datetime.date | datetime.time | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__}, which has no text")


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_with_words)
