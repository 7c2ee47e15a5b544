"""Parquet files."""

from collections.abc import Iterator

import polars as pl

from loopwright.errors import UserError
from prep.sources.containers.typed_frames import text_rows
from prep.sources.raw_file import RawFile
from prep.sources.source import RawRows, Source


class Parquet(Source):
    """A Parquet file; its line numbers are row numbers, from 1."""

    name = "parquet"
    suffixes = (".parquet",)

    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Reads the file column by column, a piece at a time; values look as they would from JSON."""
        try:
            yield from text_rows(pl.scan_parquet(file.path, glob=False).collect_batches(maintain_order=True))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError(f"not a readable Parquet file: {error}", str(file.path), "Write the file again.") from error
