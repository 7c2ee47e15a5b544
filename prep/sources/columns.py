"""Columns by their exact names."""

import polars as pl


def column_of(frame: pl.DataFrame, name: str) -> pl.Series:
    """Returns a frame's column of exactly that name, without its name.

    Polars takes a name such as `^text.*$` for a pattern: `frame[name]` does, and so do the methods of a series of that name.
    """
    return frame.to_series(frame.columns.index(name)).alias("")
