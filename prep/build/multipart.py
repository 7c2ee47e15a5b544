"""Rows that give several examples: the pieces of a long text, and the repetitions of a rare label."""

from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from prep.build.eligibility import PART
from prep.config import BuildConfig
from prep.sources.rows import ROW_ID

if TYPE_CHECKING:
    from prep.build.chunk import Chunker


class PartMaker:
    """Makes of each row one row an example, numbered under `#part`; leaves rows as they are where nothing asks for more.

    Args:
        config: how a long field is cut.
        repeats: `row_id` and `times` of each row that is rendered more than once.
    """

    def __init__(self, config: BuildConfig, repeats: pl.DataFrame) -> None:
        self._config = config
        self._repeats = repeats

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Returns the rows, those with several parts several times, their parts in order."""
        if self._chunker is not None:
            rows = self._chunker.expand(rows)
        return self._repeat(rows) if self._repeats.height else rows

    @cached_property
    def _chunker(self) -> "Chunker | None":
        if self._config.chunk is None:
            return None
        from prep.build.chunk import Chunker

        assert self._config.model is not None
        return Chunker(self._config.chunk, self._config.model)

    def _repeat(self, rows: pl.DataFrame) -> pl.DataFrame:
        first = pl.col(PART) if PART in rows.columns else pl.lit(0, pl.Int64)
        # The second time round, the numbers go on where the first ended.
        num_parts = first.max().over(ROW_ID) + 1
        counted = rows.join(self._repeats, left_on=ROW_ID, right_on="row_id", how="left", maintain_order="left")
        times = pl.int_ranges(0, pl.col("times").fill_null(1)).alias("#time round")
        numbered = counted.with_columns(first.alias(PART), num_parts.alias("#parts"), times).explode("#time round")
        placed = numbered.with_columns(pl.col(PART) + pl.col("#time round") * pl.col("#parts"))
        return placed.drop("times", "#time round", "#parts")
