"""Rows between reading and rendering: kept in memory while they are few, else in files that the operating system maps."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from loopwright.files import PRIVATE_MODE
from prep.sources.rows import META_SCHEMA, ROW_ID

_MEMORY_BYTES = 64 << 20
_FRAME_ROWS = 1 << 15
_POSITION = "#position"


class RowStore:
    """Frames of rows in the order of the sources.

    Only the columns that somebody will ask for are kept. Equal records, which have one id when they come in, have the suffixes -2, -3 in
    order of appearance when they come out.

    Args:
        folder: where rows go that are too many for memory. They are text of the corpus; the folder is the caller's to remove.
        fields: the fields to keep; one that a frame does not have is null there.
        more: columns beside them that are no text.
    """

    def __init__(self, folder: Path, fields: list[str], more: Mapping[str, pl.DataType] | None = None) -> None:
        self._folder = folder
        self.schema = pl.Schema({**META_SCHEMA, **dict.fromkeys(fields, pl.String()), **(more or {})})
        self._in_memory: list[pl.DataFrame] = []
        self._files: list[Path] = []
        self._num_bytes = 0
        self._hashes: list[pl.Series] = []
        self._copies: pl.DataFrame | None = None
        self.num_rows = 0

    def append(self, frame: pl.DataFrame) -> None:
        """Takes the next rows, with this store's columns. All rows must be in before the first is asked for."""
        assert self._copies is None, "the store was read already"
        if frame.is_empty():
            return
        # Within one process Polars' own hash will do: it only finds the few rows that are then compared by their whole id.
        self._hashes.append(frame[ROW_ID].hash())
        self.num_rows += frame.height
        self._in_memory.append(frame)
        self._num_bytes += int(frame.estimated_size())
        if self._num_bytes > _MEMORY_BYTES:
            self._spill()

    def align(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Returns rows with this store's columns, those that they lack as nulls."""
        missing = [pl.lit(None, dtype).alias(name) for name, dtype in self.schema.items() if name not in frame.columns]
        return frame.with_columns(missing).select(self.schema.names())

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yields the rows, in order, in frames of bounded size."""
        if self._copies is None:
            self._copies = self._find_copies()
        first = 0
        for frame in self._raw_frames():
            for piece in frame.iter_slices(_FRAME_ROWS):
                yield self._number(piece, first)
                first += piece.height

    def lazy(self) -> pl.LazyFrame:
        """Returns the rows as a lazy frame that reads them piece by piece."""
        return lazy_frame(self.frames, self.schema)

    def _raw_frames(self) -> Iterator[pl.DataFrame]:
        for path in self._files:
            yield pl.read_ipc(path)
        yield from self._in_memory

    def _spill(self) -> None:
        path = self._folder / f"{len(self._files):06}.arrow"
        path.touch(mode=PRIVATE_MODE)
        # Not compressed, so that it is mapped and not read; one piece, so that its rows come out in few calls.
        pl.concat(self._in_memory).write_ipc(path, compression="uncompressed")
        self._files.append(path)
        self._in_memory = []
        self._num_bytes = 0

    def _find_copies(self) -> pl.DataFrame:
        """Returns position and new id of each row whose id stands before it already."""
        hashes = pl.concat(self._hashes) if self._hashes else pl.Series(dtype=pl.UInt64)
        self._hashes = []
        repeated = repeated_values(hashes)
        found = [pl.DataFrame(schema={_POSITION: pl.Int64, ROW_ID: pl.String})]
        first = 0
        for frame in self._raw_frames() if len(repeated) else ():
            is_candidate = hashes[first : first + frame.height].is_in(repeated.implode())
            positions = pl.int_range(first, first + frame.height, eager=True).alias(_POSITION)
            found.append(pl.DataFrame([positions, frame[ROW_ID]]).filter(is_candidate))
            first += frame.height
        number = pl.int_range(pl.len()).over(ROW_ID) + 1
        numbered = pl.concat(found).with_columns(number.alias("#number")).filter(pl.col("#number") > 1)
        return numbered.select(_POSITION, pl.concat_str(ROW_ID, pl.lit("-"), "#number").alias(ROW_ID))

    def _number(self, frame: pl.DataFrame, first: int) -> pl.DataFrame:
        assert self._copies is not None
        here = self._copies.filter(pl.col(_POSITION).is_between(first, first + frame.height - 1))
        if here.is_empty():
            return frame
        return frame.with_columns(frame[ROW_ID].scatter(here[_POSITION] - first, here[ROW_ID]))


def repeated_values(values: pl.Series) -> pl.Series:
    """Returns each value that stands more than once. Sorting takes a fraction of the memory that grouping does."""
    ordered = values.sort()
    return ordered.filter(ordered == ordered.shift()).unique()


def lazy_frame(frames: Callable[[], Iterator[pl.DataFrame]], schema: pl.Schema) -> pl.LazyFrame:
    """Returns a lazy frame over frames that a function yields anew each time."""

    def read(with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None) -> Iterator[pl.DataFrame]:
        left = n_rows
        for frame in frames():
            part = frame if predicate is None else frame.filter(predicate)
            part = part if with_columns is None else part.select(with_columns)
            if left is not None:
                part = part.head(left)
                left -= part.height
            yield part
            if left == 0:
                return

    return register_io_source(read, schema=schema)
