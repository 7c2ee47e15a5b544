"""Tables that a program holds, by whatever library: written as Parquet for a time, and read as any file is.

A table is known by `__arrow_c_stream__`, the Arrow PyCapsule interface, which pandas, Polars, PyArrow and others have. No library of
theirs is imported here.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from polars import selectors

from loopwright.errors import UserError

_STREAM = "__arrow_c_stream__"
_UNNAMED = re.compile(r"[^\w.-]+")
_REMEDY = "Give a pandas, Polars, PyArrow or datasets table; rows in a list become one with polars.DataFrame(rows)."


class _Stream:
    """A table as nothing but its Arrow stream, so that it is read by that and not by what else its library offers."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


@contextmanager
def table_files(tables: Mapping[str, object]) -> Iterator[dict[str, Path]]:
    """Writes tables as Parquet into a folder that only this user can read, and removes them afterwards.

    Equal rows give equal bytes, however the table lies in memory.

    Args:
        tables: name -> table. The file is named for it.

    Raises:
        UserError: something is no table, or a column of it cannot be read.
    """
    if not tables:
        yield {}
        return
    with TemporaryDirectory(prefix="loopwright-tables-") as folder:
        paths = {}
        for number, (name, table) in enumerate(tables.items()):
            paths[name] = Path(folder) / str(number) / f"{_UNNAMED.sub('_', name)[:80] or 'table'}.parquet"
            paths[name].parent.mkdir()
            _write(_read(table, name), paths[name], name)
        yield paths


def _read(table: object, name: str) -> pl.DataFrame:
    if not hasattr(table, _STREAM):
        table = _of_datasets(table, name)
    if isinstance(table, pl.DataFrame) and (objects := table.select(selectors.object()).columns):
        # Polars would give out where the objects lie in memory.
        raise UserError(f"the column '{objects[0]}' of the table '{name}' cannot be read: it holds Python objects", remedy=_REMEDY)
    try:
        return pl.DataFrame(_Stream(table))
    except Exception as error:  # whatever the other library raises
        raise UserError(f"the table '{name}' cannot be read: {str(error).splitlines()[0]}", remedy=_REMEDY) from error


def _of_datasets(table: Any, name: str) -> object:
    """Returns the Arrow table of a `datasets.Dataset`, known by what it can do: it has no Arrow stream of its own.

    Raises:
        UserError: it is another object.
    """
    kind = type(table).__name__
    if isinstance(table, Mapping) and table:
        names = ", ".join(f"'{one}'" for one in table)
        raise UserError(f"'{name}' is a {kind}, which holds several: {names}", remedy=f"Give one of them: data['{next(iter(table))}'].")
    if hasattr(table, "collect") and hasattr(table, "lazy"):
        raise UserError(f"the table '{name}' is a {kind}, which is not computed yet", remedy="Give its .collect().")
    if hasattr(table, "with_format") and not hasattr(table, "__len__"):
        raise UserError(f"the table '{name}' is a stream ({kind})", remedy="Load it without streaming=True.")
    arrow = table.with_format("arrow")[:] if hasattr(table, "with_format") else table
    if hasattr(arrow, _STREAM):
        return arrow
    raise UserError(f"'{name}' is no table, but an object of the type '{kind}'", remedy=_REMEDY)


def _write(frame: pl.DataFrame, path: Path, name: str) -> None:
    # Categories are numbered in the order in which a process met them: as text, equal rows are equal bytes.
    plain = frame.with_columns(selectors.categorical().cast(pl.String), selectors.enum().cast(pl.String))
    try:
        plain.rechunk().write_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise UserError(f"the table '{name}' cannot be kept as Parquet: {str(error).splitlines()[0]}", remedy=_REMEDY) from error
