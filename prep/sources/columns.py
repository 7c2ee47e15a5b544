"""Columns by their exact names."""

import polars as pl


def column_of(frame: pl.DataFrame, name: str) -> pl.Series:
    """Returns a frame's column of exactly that name, which `frame[name]` would take for a pattern where it is one, such as `^text.*$`."""
    return frame.to_series(frame.columns.index(name))
