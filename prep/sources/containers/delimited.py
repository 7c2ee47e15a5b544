"""Reading delimited text: what the csv and the tsv format share."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Protocol

import polars as pl

from loopwright.errors import UserError
from loopwright.files import is_utf8
from prep.sources.containers.headers import find_beginning, looks_like_a_row, name_columns
from prep.sources.list_columns import list_columns
from prep.sources.raw_file import OTHER_ENCODING, RawFile, RejectedRow
from prep.sources.source import LINE, RawRows, mark_texts

_MAX_FIELD_CHARACTERS = 1 << 30
_BATCH_ROWS = 1 << 14
_BATCH_LINES = 1 << 16  # of rows with newlines in them, or of rejected rows
_LOOK_LINES = 60
_LOOK_CHARACTERS = 1 << 20


def read_delimited(file: RawFile, *, delimiter: str | None, quoting: int) -> Iterator[RawRows]:
    """Reads delimited text. Bytes that did not decode stand as lone surrogates, which reject their row.

    A first line `sep=;` names the delimiter. Under `format: auto`, a title above the header is passed over, and a first line that looks
    like the rows after it is taken for a row, with the columns numbered. A column that the header leaves without a name is numbered, too.

    Args:
        file: the file.
        delimiter: what stands between fields; None to take what the first line has most of.
        quoting: a constant of the csv module.

    Raises:
        UserError: the header is quoted wrongly, is of another encoding, or has a repeated name; or the config names another number of
            columns than the first line has.
    """
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    is_auto = file.options.format == "auto" and not file.options.columns
    lines = _lines_with_ends(file)
    first_lines = list(_some(lines))
    begin = find_beginning(first_lines, delimiter=delimiter, quoting=quoting, may_have_title=is_auto)
    if begin.above:
        file.notices.append(f"'{begin.above[:40]}' above the header of '{file.path.name}' is no row, and is left out.")
    whole = chain(first_lines[begin.num_above :], lines)
    # Strict, or a quote that is never closed would take all rows after it into its field without a word.
    reader = csv.reader(whole, delimiter=begin.delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
    yield from read_table(reader, begin.num_above, file)


class Reader(Protocol):
    """What gives the fields of one row after the other, as `csv.reader` does; none for a blank line."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]:
        """Gives itself."""

    def __next__(self) -> list[str]:
        """Gives the next row."""


def read_table(reader: Reader, num_above: int, file: RawFile) -> Iterator[RawRows]:
    """Reads a table, header and all.

    Args:
        reader: gives the rows, from the header on.
        num_above: lines that were passed over before.
        file: the file.

    Raises:
        UserError: as `read_delimited`.
    """
    table = _Table(reader, num_above)
    try:
        header = next((values for values in reader if values), [])
    except csv.Error as error:
        where = f"{file.path}:{num_above + reader.line_num}"
        raise UserError(f"the header does not split into fields: {error}", where, "Mend that line.") from error
    yield from _rows_below(header, table, file, f"{file.path}:{num_above + reader.line_num}")


def _rows_below(header: list[str], table: "_Table", file: RawFile, where: str) -> Iterator[RawRows]:
    """Yields all rows; the first line that has fields is one of them where `columns:` names them, or where it looks like one."""
    if names := list(file.options.columns):
        if len(names) != len(header):
            cause = f"'columns' names {len(names)} columns where the first line has {len(header)} fields"
            raise UserError(cause, where, "Name each of them, or set 'delimiter:'.")
        yield from table.batches(names, (table.first_line, header))
        return
    first_rows = table.next_batch(len(header))
    if file.options.format == "auto" and looks_like_a_row(header, first_rows.values):
        names = [f"column_{number}" for number in range(1, len(header) + 1)]
        file.notices.append(
            f"the first line of '{file.path.name}' looks like a row, not a header: the columns are called {names[0]}, ... Name them with "
            f"'columns:', or set 'format:' for its first line to be the header."
        )
        first_rows.values.insert(0, header)
        first_rows.lines.insert(0, table.first_line)
    else:
        _check_header(where, header)
        names, table.unnamed = name_columns(header)
    yield table.rows(names, first_rows)
    yield from table.batches(names)


def _some(lines: Iterator[str]) -> Iterator[str]:
    """Yields the lines that are looked at before reading begins."""
    num_characters = 0
    for line in islice(lines, _LOOK_LINES):
        yield line
        num_characters += len(line)
        if num_characters > _LOOK_CHARACTERS:
            return


class _Batch:
    """Some rows: the line on which each starts, and its fields."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.values: list[list[str]] = []
        self.rejected: list[RejectedRow] = []


class _Table:
    """The rows behind the header."""

    def __init__(self, reader: Reader, num_skipped: int) -> None:
        self._reader = reader
        self._num_skipped = num_skipped
        self._is_over = False
        self.first_line = num_skipped + 1
        self.unnamed: list[str] = []

    def batches(self, names: list[str], first: tuple[int, list[str]] | None = None) -> Iterator[RawRows]:
        """Yields the rows that are left, with the given one before them."""
        while not self._is_over:
            batch = self.next_batch(len(names))
            if first is not None:
                batch.lines.insert(0, first[0])
                batch.values.insert(0, first[1])
                first = None
            yield self.rows(names, batch)

    def rows(self, names: list[str], batch: _Batch) -> RawRows:
        """Returns a batch as a frame. Where a column without a name is blank it says nothing: it is there by a comma too many."""
        raw = _to_rows(names, batch)
        blank = [pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name)) for name in self.unnamed]
        frame = raw.frame.with_columns(blank)
        return RawRows(frame.drop(name for name in self.unnamed if frame[name].is_null().all()), raw.rejected)

    def next_batch(self, num_fields: int) -> _Batch:
        """Reads on; rows that do not split, or into another number of fields, are rejected."""
        batch, reader = _Batch(), self._reader
        last_line = reader.line_num + _BATCH_LINES
        line = self._num_skipped + reader.line_num + 1
        while True:
            try:
                for values in reader:
                    if len(values) == num_fields:
                        batch.lines.append(line)
                        batch.values.append(values)
                    elif values:
                        batch.rejected.append(RejectedRow(line, "ragged", f"{len(values)} fields where the header has {num_fields}"))
                    line = self._num_skipped + reader.line_num + 1
                    if len(batch.lines) >= _BATCH_ROWS or reader.line_num >= last_line:
                        return batch
            except csv.Error as error:
                end = self._num_skipped + reader.line_num
                batch.rejected.append(RejectedRow(line, "bad_quotes", f"{error}, between line {line} and line {end}"))
                line = end + 1
                continue
            self._is_over = True
            return batch


def _to_rows(names: list[str], batch: _Batch) -> RawRows:
    try:
        columns = {name: pl.Series(name, values, pl.String) for name, values in zip(names, zip(*batch.values, strict=True), strict=False)}
    except UnicodeEncodeError:  # some row holds bytes of another encoding
        good = [all(map(is_utf8, values)) for values in batch.values]
        detail = "the row holds bytes of another encoding, or half a character"
        batch.rejected += [
            RejectedRow(line, "bad_encoding", detail) for line, is_good in zip(batch.lines, good, strict=True) if not is_good
        ]
        batch.rejected.sort(key=lambda row: row.line)
        batch.lines = [line for line, is_good in zip(batch.lines, good, strict=True) if is_good]
        batch.values = [values for values, is_good in zip(batch.values, good, strict=True) if is_good]
        return _to_rows(names, batch)
    columns = columns or {name: pl.Series(name, [], pl.String) for name in names}
    frame = pl.DataFrame({LINE: pl.Series(batch.lines, dtype=pl.Int64), **columns})
    # A table has no lists: where a column is called as a list's is, its texts are the JSON of lists.
    return RawRows(mark_texts(frame, columns.keys() - list_columns(columns)), batch.rejected)


def _lines_with_ends(file: RawFile) -> Iterator[str]:
    return chain.from_iterable(_block_lines(file))


def _block_lines(file: RawFile) -> Iterator[Iterable[str]]:
    for block in file.blocks():
        if block.is_overlong:
            raise UserError("a line is too long for a table", f"{file.path}:{block.first_line}", "Remove that line.")
        yield io.StringIO(block.text, newline="\n")  # so that only \n ends a line, and stays as it is


def _check_header(where: str, header: list[str]) -> None:
    for name in header:
        if not is_utf8(name):
            raise UserError("the header is not UTF-8", where, OTHER_ENCODING)
        if name.strip() and header.count(name) > 1:
            raise UserError(f"the header names '{name}' twice", where, "Give each column its own name.")
