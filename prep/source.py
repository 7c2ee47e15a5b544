"""What a source format is: a file in, columns of text and a list of unreadable rows out."""

import codecs
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from loopwright.errors import UserError
from loopwright.hashing import hash_text

# Names that no column of a file has; the raw columns stand beside them.
LINE = "#line"
RECORD = "#record"
# Made once: json.dumps would make one a row.
_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that could not be read.

    Attributes:
        line: where it starts, 1-based.
        reason: a word for the accounting, such as `bad_json`.
        detail: what is wrong with it.
    """

    line: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class RawRows:
    """The rows of one file.

    Attributes:
        frame: `#line` (1-based), `#record` (hash of the canonical raw record) and the file's own columns, all of them text: a value
            that is no text stands as its JSON, so that no row's value depends on the rows around it.
        rejected: rows that could not be read.
    """

    frame: pl.LazyFrame
    rejected: list[RejectedRow] = field(default_factory=list)


class Source(ABC):
    """A source format. A subclass in a module of `prep.sources` is found by itself."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def read(self, path: Path, encoding: str) -> RawRows:
        """Reads a file whole.

        Raises:
            UserError: the file as a whole cannot be read.
        """


class RowCollector:
    """Gathers records one by one into `RawRows`."""

    def __init__(self) -> None:
        self._lines: list[int] = []
        self._records: list[str] = []
        self._columns: dict[str, list[str | None]] = {}
        self.rejected: list[RejectedRow] = []

    def add(self, line: int, record: dict[str, Any]) -> None:
        """Adds one record; a value that UTF-8 cannot hold, or that is nested beyond measure, rejects the row."""
        try:
            canonical = _CANONICAL.encode(record)
        except RecursionError:
            self.reject(line, "bad_value", "a value is nested too deeply")
            return
        if not is_utf8(canonical):
            self.reject(line, "bad_encoding", "the row holds half a character (a lone surrogate, or bytes of another encoding)")
            return
        num_before = len(self._lines)
        for key, value in record.items():
            column = self._columns.get(key)
            if column is None:
                column = self._columns[key] = [None] * num_before
            column.append(to_text(value))
        self._lines.append(line)
        self._records.append(hash_text(canonical))
        if len(record) != len(self._columns):
            for column in self._columns.values():
                if len(column) == num_before:
                    column.append(None)

    def reject(self, line: int, reason: str, detail: str) -> None:
        """Notes a row that could not be read."""
        self.rejected.append(RejectedRow(line, reason, detail))

    def rows(self) -> RawRows:
        """Returns what was gathered."""
        given = {name: values for name, values in self._columns.items() if name not in {LINE, RECORD}}
        columns: dict[str, Any] = {name: pl.Series(name, values, pl.String) for name, values in given.items()}
        frame = pl.DataFrame({LINE: pl.Series(self._lines, dtype=pl.Int64), RECORD: pl.Series(self._records, dtype=pl.String), **columns})
        return RawRows(frame.lazy(), self.rejected)


def to_text(value: Any) -> str | None:
    """Returns a raw value as a column holds it: text as it is, None as null, all else as compact JSON."""
    if value is None or isinstance(value, str):
        return value
    return _COMPACT.encode(value)


def decode_lines(path: Path, encoding: str) -> Iterator[tuple[int, str | None]]:
    r"""Yields (1-based number, text) of each line without its line end (`\n` or `\r\n`); None where the bytes are not the encoding.

    A byte-order mark at the start is dropped.

    Raises:
        UserError: the file is empty, cannot be read, or is UTF-16 by its mark.
    """
    data = read_bytes(path)
    codec = codec_name(encoding, path)
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"} and not codec.startswith(("utf-16", "utf-32")):
        raise UserError("the file begins with a UTF-16 mark", str(path), "Set 'encoding: utf-16' for this source.")
    if codec.startswith(("utf-16", "utf-32")):
        data = decode_all(data, path, encoding).encode("utf-8")
        encoding = "utf-8"
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            yield number, line.removesuffix(b"\r").decode(encoding)
        except UnicodeDecodeError:
            yield number, None


def read_bytes(path: Path) -> bytes:
    """Reads a file, which must hold something.

    Raises:
        UserError: the file is empty or cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the file: {error.strerror}", str(path), "Check the path and its permissions.") from error
    if not data.strip():
        raise UserError("the file is empty", str(path), "Give a file with at least one row.")
    return data


def decode_all(data: bytes, path: Path, encoding: str) -> str:
    """Decodes a file that cannot be taken line by line.

    Raises:
        UserError: the bytes are not the encoding.
    """
    try:
        return data.decode("utf-8-sig" if codec_name(encoding, path) == "utf-8" else encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"the file is not {encoding}", f"{path}:{line}", "Set 'encoding:' for this source, or mend that line.") from error


def codec_name(encoding: str, path: Path) -> str:
    """Returns the one name of a text encoding that goes by many.

    Raises:
        UserError: there is none of that name.
    """
    try:
        name = codecs.lookup(encoding).name
        b"a".decode(name, "replace")  # refuses codecs that are no text encoding, such as hex
    except LookupError as error:
        raise UserError(f"unknown encoding '{encoding}'", str(path), "Use a name such as utf-8, latin-1 or gb18030.") from error
    return name


def is_utf8(text: str) -> bool:
    """Says whether UTF-8 can hold a text; it cannot hold half a character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
