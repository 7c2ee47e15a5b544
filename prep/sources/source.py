"""What a source format is: a file in; frames of text columns and lists of unreadable rows out, a bounded piece at a time."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import compress
from operator import not_
from typing import Any, ClassVar

import polars as pl

from loopwright.files import is_utf8
from prep.sources.json_paths import key_path
from prep.sources.raw_file import RawFile, RejectedRow

# The raw columns stand beside it: a name that no column has, not even one that another program called "#line".
LINE = "\0line"
_BATCH_ROWS = 1 << 14
_BATCH_CHARACTERS = 8 << 20
# Made once: json.dumps would make one a row.
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# A record with the 1-based line on which it starts, or one that cannot be used.
Record = tuple[int, dict[str, Any]] | RejectedRow


@dataclass(frozen=True, slots=True)
class RawRows:
    """Some rows of one file.

    Attributes:
        frame: `LINE` (1-based) and the file's own columns, all of them text: a value that is no text stands as its compact JSON, so that
            no row's value depends on the rows around it. A column that none of these rows has may be left out.
        rejected: rows that could not be read.
        added: text columns made of the frame's own, row for row, such as `turns`. One stands in place of a column of the same name, and
            none has a part in a row's identity, so that reading a file by its shape changes no id.
        unread: path of a key -> the rows in which nobody read it, where a shape of records has read them; None where none has, and every
            column is still to be read.
    """

    frame: pl.DataFrame
    rejected: list[RejectedRow] = field(default_factory=list)
    added: pl.DataFrame = field(default_factory=pl.DataFrame)
    unread: Counter[str] | None = None

    @property
    def columns(self) -> list[str]:
        """All columns that a config can name: the file's own, and those that are added."""
        own = [name for name in self.frame.columns if name != LINE]
        return [*own, *(name for name in self.added.columns if name not in own)]

    def unread_keys(self) -> Counter[str]:
        """Returns the paths of the keys that nobody has read so far, each with the number of rows that have it."""
        if self.unread is not None:
            return self.unread
        return count_values(self.frame, [name for name in self.frame.columns if name != LINE])


def count_values(frame: pl.DataFrame, names: Iterable[str]) -> Counter[str]:
    """Returns how many rows have a value in each of some columns, by what the key is called in a path; columns without any are left out."""
    counts = ((key_path(name), frame.height - frame[name].null_count()) for name in names)
    return Counter({path: count for path, count in counts if count})


class Source(ABC):
    """A source format. A subclass in a module of `prep.sources` is found by itself.

    `prep.sources.files` makes an instance, without arguments, for each file that is read with it.

    Attributes:
        name: what `format:` calls it.
        suffixes: endings of files that are read with it under `format: auto`.
        options: the keys of a source's config that this format reads, beside those that all read.
        group: the column that keeps rows in one split where the config names none.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[frozenset[str]] = frozenset()
    group: ClassVar[str | None] = None

    @abstractmethod
    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Yields a file's rows, a bounded number at a time, in the order of the file.

        Raises:
            UserError: the file as a whole cannot be read.
        """


class RecordSource(Source):
    """A format whose records are read one by one."""

    @abstractmethod
    def records(self, file: RawFile) -> Iterator[Record]:
        """Yields each record, in the order of the file.

        Raises:
            UserError: the file as a whole cannot be read.
        """

    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Gathers the records into frames."""
        return gather(self.records(file))


def gather(records: Iterable[Record]) -> Iterator[RawRows]:
    """Yields records as frames of bounded size; a value that UTF-8 cannot hold, or that is nested beyond measure, rejects its row."""
    batch = _Batch()
    for record in records:
        batch.add(record)
        if batch.is_full:
            yield batch.rows()
            batch = _Batch()
    yield batch.rows()


class _Batch:
    def __init__(self) -> None:
        self._lines: list[int] = []
        self._columns: dict[str, list[str | None]] = {}
        self._rejected: list[RejectedRow] = []
        self._num_characters = 0

    @property
    def is_full(self) -> bool:
        return len(self._lines) >= _BATCH_ROWS or self._num_characters >= _BATCH_CHARACTERS or len(self._rejected) >= _BATCH_ROWS

    def add(self, record: Record) -> None:
        if isinstance(record, RejectedRow):
            self._rejected.append(record)
            return
        line, values = record
        try:
            texts = {key: to_text(value) for key, value in values.items()}
        except RecursionError:
            self._rejected.append(RejectedRow(line, "bad_value", "a value is nested too deeply"))
            return
        num_before = len(self._lines)
        for key, text in texts.items():
            column = self._columns.get(key)
            if column is None:
                column = self._columns[key] = [None] * num_before
            column.append(text)
            self._num_characters += len(text) if text else 0
        self._lines.append(line)
        if len(texts) != len(self._columns):
            for column in self._columns.values():
                if len(column) == num_before:
                    column.append(None)

    def rows(self) -> RawRows:
        try:
            columns = {name: pl.Series(name, values, pl.String) for name, values in self._columns.items() if name != LINE}
        except UnicodeEncodeError:  # looked for only here: few files hold such a thing, and looking costs each value
            self._reject_halves()
            return self.rows()
        return RawRows(pl.DataFrame({LINE: pl.Series(self._lines, dtype=pl.Int64), **columns}), self._rejected)

    def _reject_halves(self) -> None:
        detail = "the row holds half a character (a lone surrogate, or bytes of another encoding)"
        is_good = [True] * len(self._lines)
        for name, values in self._columns.items():
            for index, text in enumerate(values):
                if text is not None and not (is_utf8(name) and (text.isascii() or is_utf8(text))):
                    is_good[index] = False
        self._rejected += [RejectedRow(line, "bad_encoding", detail) for line in compress(self._lines, map(not_, is_good))]
        self._rejected.sort(key=lambda row: row.line)
        self._columns = {name: list(compress(values, is_good)) for name, values in self._columns.items() if is_utf8(name)}
        self._lines = list(compress(self._lines, is_good))


def to_text(value: Any) -> str | None:
    """Returns a raw value as a column holds it: text as it is, None as null, all else as compact JSON."""
    if value is None or isinstance(value, str):
        return value
    if value.__class__ is int:
        return str(value)
    return _COMPACT.encode(value)
