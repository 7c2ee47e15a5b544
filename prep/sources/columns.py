"""Columns by their exact names."""

import polars as pl


def columns_of(frame: pl.DataFrame) -> dict[str, pl.Series]:
    """Returns a frame's columns by their exact names; the series themselves have none.

    Polars takes a name such as `^text.*$` for a pattern: `frame[name]` does, and so do the methods of a series of that name.
    """
    return {name: column.alias("") for name, column in zip(frame.columns, frame.iter_columns(), strict=True)}
