"""Quotes around the fields of tab-separated text: whether they are the file's or the text's own."""

from collections.abc import Iterator

import polars as pl

from prep.sources.columns import columns_of
from prep.sources.list_columns import list_columns
from prep.sources.raw_file import RawFile
from prep.sources.source import RawRows, mark_texts

_MIN_QUOTED = 3


def unquoted(batches: Iterator[RawRows], file: RawFile) -> Iterator[RawRows]:
    """Adds the columns in which fields stand in quotes as in a CSV, without these; the file's own columns stay, as a row's id is of them.

    A field whose inner quotes are doubled is quoted beyond doubt, and where the first rows have one, so is any that begins and ends with a
    quote. Otherwise it takes several, with a comma in each, and no comma or quote outside of them, as spreadsheets write. All other
    quotes are the text's own: inch marks, or a saying.
    """
    is_style: bool | None = None
    for rows in batches:
        columns = {name: column for name, column in columns_of(rows.frame).items() if name in rows.own_columns}
        if is_style is None:
            is_style = _is_style(list(columns.values()))
        found = {name: text for name, column in columns.items() if (text := _unquote(column, is_style=is_style)) is not None}
        if found and not any("in quotes" in notice for notice in file.notices):
            file.notices.append(f"fields of '{file.path.name}' stand in quotes, as in a CSV: these are left out, and doubled ones are one.")
        frame = mark_texts(rows.frame, found.keys() - list_columns(columns), found)
        yield RawRows(frame, rows.rejected, pl.DataFrame([text.alias(name) for name, text in found.items()]))


def is_quoted_header(line: str, delimiter: str) -> bool:
    """Whether each name of a header stands in quotes: then so do the fields that are no numbers."""
    names = line.rstrip("\r\n").split(delimiter)
    return all(len(name) > 2 and name[0] == name[-1] == '"' and '"' not in name[1:-1] for name in names)


def _inner(text: pl.Expr) -> pl.Expr:
    return text.str.slice(1, text.str.len_chars() - 2)


def _is_quoted(text: pl.Expr) -> pl.Expr:
    is_wrapped = text.str.starts_with('"') & text.str.ends_with('"') & (text.str.len_chars() > 1)
    return is_wrapped & ~_inner(text).str.replace_all('""', "", literal=True).str.contains('"', literal=True)


def _has_doubled(text: pl.Expr) -> pl.Expr:
    return _inner(text).str.contains('""', literal=True)


def _is_style(columns: list[pl.Series]) -> bool:
    text = pl.col("text")
    frame = pl.DataFrame({"text": pl.concat(columns) if columns else pl.Series(dtype=pl.String)}).filter(text.str.contains('[",]'))
    counted = frame.select(
        doubled=(_is_quoted(text) & _has_doubled(text)).sum(),
        quoted=(_is_quoted(text) & text.str.contains(",", literal=True)).sum(),
        bare=(~_is_quoted(text)).sum(),
    )
    doubled, quoted, bare = counted.row(0)
    return bool(doubled) or (quoted >= _MIN_QUOTED and not bare)


def _unquote(column: pl.Series, *, is_style: bool) -> pl.Series | None:
    """Returns a column without the quotes around its fields, and without its name; None where there are none."""
    if not column.str.starts_with('"').any():
        return None
    text = pl.col("text")
    is_quoted = _is_quoted(text) if is_style else _is_quoted(text) & _has_doubled(text)
    found = (
        column.alias("text")
        .to_frame()
        .select(is_quoted=is_quoted.fill_null(False), inner=_inner(text).str.replace_all('""', '"', literal=True))
    )
    if not found["is_quoted"].any():
        return None
    return found["inner"].zip_with(found["is_quoted"], column).alias("")
