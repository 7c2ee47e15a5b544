"""What a source format is: a file in; frames of text columns and lists of unreadable rows out, a bounded piece at a time."""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import compress
from operator import not_
from typing import Any, ClassVar

import polars as pl

from loopwright.files import is_utf8
from prep.sources.columns import columns_of
from prep.sources.raw_file import RawFile, RejectedRow
from prep.sources.unread import Unread, unread_columns

# The raw columns stand beside it: a name that no column has, not even one that another program called "#line".
LINE = "\0line"
# Before a column's name: a column of truth values, true where a text of the file stands there that reads like JSON.
TEXT_MARK = "\0text:"
_LIKE_JSON = r"^\s*[\[{]"
_BATCH_ROWS = 1 << 14
_BATCH_CHARACTERS = 8 << 20
# Made once: json.dumps would make one a row.
_MAY_BE_JSON = frozenset("[{ \t\r\n\f\v")
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# A record with the 1-based line on which it starts, or one that cannot be used.
Record = tuple[int, dict[str, Any]] | RejectedRow


class LiteralText(str):
    """A text of the file that reads like JSON. It is a text all the same: no list or object of the record."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RawRows:
    """Some rows of one file.

    Attributes:
        frame: `LINE` (1-based) and the file's own columns, all of them text: a value that is no text stands as its compact JSON, so that
            no row's value depends on the rows around it. A column that none of these rows has may be left out. Where a text reads like
            JSON, a column of `TEXT_MARK` tells it from a list or an object.
        rejected: rows that could not be read.
        added: text columns made of the frame's own, row for row, such as `turns`. One stands in place of a column of the same name, and
            none has a part in a row's identity, so that reading a file by its shape changes no id.
        unread: what nobody read, where a shape of records has read the rows; None where none has, and every column is still to be read.
    """

    frame: pl.DataFrame
    rejected: list[RejectedRow] = field(default_factory=list)
    added: pl.DataFrame = field(default_factory=pl.DataFrame)
    unread: Unread | None = None

    @property
    def columns(self) -> list[str]:
        """All columns that a config can name: the file's own, and those that are added."""
        own = self.own_columns
        return [*own, *(name for name in self.added.columns if name not in own)]

    @property
    def own_columns(self) -> list[str]:
        """The file's own columns."""
        return [name for name in self.frame.columns if _can_be_named(name)]

    def records(self, names: Collection[str] | None = None) -> Iterator[tuple[int, dict[str, str | None]]]:
        """Yields the line of each row and its values, those that are added among them; what `LiteralText` marks is one.

        Args:
            names: the columns that are wanted; those that are not there are left out. Default: all.
        """
        wanted = [name for name in self.columns if names is None or name in names]
        held = columns_of(self.frame) | columns_of(self.added)
        columns = [held[name].alias(name) for name in wanted]
        marks = {name: set(held[TEXT_MARK + name].arg_true()) for name in wanted if TEXT_MARK + name in held}
        for index, (line, *values) in enumerate(pl.DataFrame([self.frame[LINE], *columns]).iter_rows()):
            record = dict(zip(wanted, values, strict=True))
            for name, marked in marks.items():
                if index in marked:
                    record[name] = LiteralText(record[name])
            yield line, record

    def unread_keys(self) -> Unread:
        """Returns what nobody has read so far."""
        return unread_columns(self.frame, self.own_columns, self.frame[LINE]) if self.unread is None else self.unread


def mark_texts(frame: pl.DataFrame, names: Iterable[str], added: Mapping[str, pl.Series] | None = None) -> pl.DataFrame:
    """Marks the texts that read like JSON, of columns in which every value is a text of the file.

    Args:
        frame: the rows.
        names: the columns.
        added: the series that stand in the place of a frame's own, by their names.
    """
    columns = columns_of(frame) | dict(added or {})
    found = ((name, columns[name].str.contains(_LIKE_JSON).fill_null(False)) for name in names)
    return frame.with_columns(marks.alias(TEXT_MARK + name) for name, marks in found if marks.any())


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
        self._marked: dict[str, list[int]] = {}

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
            if text:
                self._num_characters += len(text)
                if text[0] in _MAY_BE_JSON and values[key].__class__ is str and text.lstrip()[:1] in {"[", "{"}:
                    self._marked.setdefault(key, []).append(num_before)
        self._lines.append(line)
        if len(texts) != len(self._columns):
            for column in self._columns.values():
                if len(column) == num_before:
                    column.append(None)

    def rows(self) -> RawRows:
        try:
            columns = {name: pl.Series(name, values, pl.String) for name, values in self._columns.items() if _can_be_named(name)}
        except UnicodeEncodeError:  # looked for only here: few files hold such a thing, and looking costs each value
            self._reject_halves()
            return self.rows()
        frame = pl.DataFrame({LINE: pl.Series(self._lines, dtype=pl.Int64), **columns})
        return RawRows(frame.with_columns(self._marks(name) for name in self._marked if name in columns), self._rejected)

    def _marks(self, name: str) -> pl.Series:
        marks = pl.repeat(False, len(self._lines), dtype=pl.Boolean, eager=True).alias(TEXT_MARK + name)
        return marks.scatter(self._marked[name], True)

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
        places = {index: place for place, index in enumerate(index for index, good in enumerate(is_good) if good)}
        self._marked = {name: [places[index] for index in marked if index in places] for name, marked in self._marked.items()}


def _can_be_named(name: str) -> bool:
    return name != LINE and not name.startswith(TEXT_MARK)


def to_text(value: Any) -> str | None:
    """Returns a raw value as a column holds it: text as it is, None as null, all else as compact JSON."""
    if value is None or isinstance(value, str):
        return value
    if value.__class__ is int:
        return str(value)
    return _COMPACT.encode(value)
