"""Line ends within texts, made one kind at reading where the config asks for it."""

import json
from collections.abc import Iterator

import polars as pl

from prep.sources.columns import columns_of
from prep.sources.source import TEXT_MARK, RawRows, to_text
from prep.text.edits import edit_texts
from prep.text.newlines import LINE_END, normalise_newlines

_ESCAPED = r"\\r"  # as JSON writes it


def with_newlines(batches: Iterator[RawRows]) -> Iterator[RawRows]:
    r"""Yields rows whose texts hold `\n` where the file has `\r\n` or `\r`.

    The columns that change stand in place of the file's own, which stay as they are: ids are made of those.
    """
    for rows in batches:
        held = columns_of(rows.frame) | columns_of(rows.added)
        changed = {name: _normalised(held[name], held.get(TEXT_MARK + name)) for name in rows.columns}
        added = {name: column for name, column in changed.items() if column is not None}
        kept = {name: held[name] for name in rows.added.columns if name not in added}
        columns = [column.alias(name) for name, column in (kept | added).items()]
        yield RawRows(rows.frame, rows.rejected, pl.DataFrame(columns), rows.unread) if added else rows


def _normalised(column: pl.Series, texts: pl.Series | None) -> pl.Series | None:
    """Returns a column with its line ends normalised; None where it has none to normalise.

    Args:
        column: the column.
        texts: where its values are texts that read like JSON; None for nowhere.
    """
    has_escapes = column.str.starts_with("[") | column.str.starts_with("{")
    has_escapes &= column.str.contains(_ESCAPED, literal=False)
    if texts is not None:
        has_escapes &= ~texts.fill_null(False)
    has_ends = column.str.contains("\r", literal=True).any()
    places = has_escapes.arg_true()
    if not has_ends and not len(places):
        return None
    if has_ends:
        column = column.str.replace_all(LINE_END, "\n")
    return column.scatter(places, [_json_normalised(column[place]) for place in places]) if len(places) else column


def _json_normalised(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return to_text(edit_texts({"": value}, normalise_newlines).get("", value)) or text
