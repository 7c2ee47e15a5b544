"""Parquet files."""

from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from prep.source import RawRows, RowCollector, Source, read_bytes


class Parquet(Source):
    """A Parquet file; its line numbers are row numbers, from 1."""

    name = "parquet"
    suffixes = (".parquet",)

    def read(self, path: Path, encoding: str) -> RawRows:  # noqa: ARG002 (Parquet knows its own)
        """Reads the file row by row, so that values look as they do from JSON."""
        read_bytes(path)
        try:
            frame = pl.read_parquet(path, glob=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError(f"not a readable Parquet file: {error}", str(path), "Write the file again.") from error
        rows = RowCollector()
        plain = frame.with_columns(pl.selectors.temporal().dt.to_string(), pl.selectors.decimal().cast(pl.String))
        for number, record in enumerate(plain.iter_rows(named=True), start=1):
            try:
                rows.add(number, record)
            except TypeError as error:
                rows.reject(number, "bad_value", f"a value that has no text: {error}")
        return rows.rows()
