"""Files that rows are written to one by one, a bounded number of them in memory."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import polars as pl

_SHARD_ROWS = 100_000
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class RowWriter(ABC):
    """Writes the rows of one split.

    Attributes:
        files: file, relative to the folder -> rows in it; complete after the `with`.
    """

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()

    @abstractmethod
    def write(self, row: dict[str, Any]) -> None:
        """Writes a row."""

    @abstractmethod
    def close(self) -> None:
        """Finishes the files."""

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class LineWriter(RowWriter):
    """Writes `<split>.jsonl`."""

    def __init__(self, folder: Path, split: str) -> None:
        super().__init__()
        self._name = f"{split}.jsonl"
        self._path = folder / self._name
        self._file: TextIO | None = None

    def write(self, row: dict[str, Any]) -> None:
        """Writes a row."""
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", newline="\n")
        self._file.write(_JSON.encode(row) + "\n")
        self.files[self._name] += 1

    def close(self) -> None:
        """Finishes the file."""
        if self._file is not None:
            self._file.close()


class ParquetWriter(RowWriter):
    """Writes `data/<split>-00000.parquet` and so on, all with one schema, or they would not load together."""

    def __init__(self, folder: Path, split: str, schema: "dict[str, pl.DataType]") -> None:
        super().__init__()
        self._schema = schema
        self._folder = folder
        self._split = split
        self._rows: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        """Keeps a row, and writes a shard when there are enough."""
        self._rows.append(row)
        if len(self._rows) == _SHARD_ROWS:
            self._flush()

    def close(self) -> None:
        """Writes the last shard."""
        if self._rows:
            self._flush()

    def _flush(self) -> None:
        import polars as pl

        name = f"data/{self._split}-{len(self.files):05d}.parquet"
        (self._folder / "data").mkdir(exist_ok=True)
        pl.DataFrame(self._rows, schema=self._schema).write_parquet(self._folder / name)
        self.files[name] = len(self._rows)
        self._rows = []
