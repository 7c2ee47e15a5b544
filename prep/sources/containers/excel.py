"""Excel workbooks."""

import datetime
import importlib
import re
import zipfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from loopwright.errors import UserError, did_you_mean, missing_extra
from prep.sources.containers.delimited import read_table
from prep.sources.containers.headers import num_rows_above
from prep.sources.raw_file import RawFile
from prep.sources.source import RawRows, Source

_LOOK_ROWS = 60
_MAX_BYTES = 2 << 30
_MAX_EXPANSION = 200
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")  # how a workbook writes what XML cannot hold
_MIDNIGHT = datetime.time()


class Excel(Source):
    """One sheet of a workbook: the first, or `sheet:`. Its line numbers are those of the sheet.

    Headers are read as in a CSV, and so are tables without one. Cells are text as people would type it: `3`, `true`, `2024-05-01`; of a
    formula, what it came to when the file was saved.
    """

    name = "excel"
    suffixes = (".xlsx", ".xlsm")
    options = frozenset({"columns", "sheet"})

    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Reads the sheet row by row."""
        names, rows = open_sheet(file.path, file.options.sheet)
        if len(names) > 1 and file.options.sheet is None:
            file.notices.append(f"of the {len(names)} sheets of '{file.path.name}', '{names[0]}' is read. Name another with 'sheet:'.")
        first = list(islice(rows, _LOOK_ROWS))
        width = max((len(cells) for _, cells in first), default=0)
        is_auto = file.options.format == "auto" and not file.options.columns
        num_above = num_rows_above([(number - 1, _padded(cells, width)) for number, cells in first]) if is_auto else 0
        yield from read_table(_Rows(chain(first, rows), width, num_above), num_above, file)


class _Rows:
    """The rows of a sheet as `csv.reader` gives those of a file: a blank one is empty."""

    def __init__(self, rows: Iterator[tuple[int, list[str]]], width: int, num_above: int) -> None:
        self._rows = ((number, cells) for number, cells in rows if number > num_above)
        self._width = width
        self._num_above = num_above
        self.line_num = 0

    def __iter__(self) -> "_Rows":
        return self

    def __next__(self) -> list[str]:
        number, cells = next(self._rows)
        self.line_num = number - self._num_above
        return _padded(cells, self._width) if cells else []


def open_sheet(path: Path, sheet: str | None = None) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Returns the names of a workbook's sheets, and the rows of one: number, from 1, and cells, without blank ones at the end.

    Args:
        path: the workbook.
        sheet: the sheet's name; default: the first.

    Raises:
        UserError: the extra is not installed, the file is no workbook, or it has no such sheet.
    """
    openpyxl = load_openpyxl(path)
    _refuse_bomb(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        names = [one.title for one in book.worksheets]
    except Exception as error:  # whatever the library raises at a file that is none, or is cut
        raise _not_readable(path, error) from error
    if sheet is not None and sheet not in names:
        raise UserError(f"the workbook has no sheet '{sheet}'", str(path), did_you_mean(sheet, names))
    if not names:
        raise UserError("the workbook has no sheet with rows", str(path), "Give one that has.")
    return names, _rows(book[sheet or names[0]], path)


def load_openpyxl(path: Path) -> Any:
    """Returns the library that reads and writes workbooks.

    Raises:
        UserError: it is not installed.
    """
    try:
        # By name, not by a statement: the base install does without it.
        return importlib.import_module("openpyxl")
    except ImportError as error:
        raise missing_extra(f"the Excel file '{path.name}'", "excel") from error


def _rows(sheet: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    sheet.reset_dimensions()  # other programs write wrong ones
    is_empty = True
    try:
        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            texts = [_text(value) for value in cells]
            while texts and not texts[-1].strip():
                texts.pop()
            is_empty = is_empty and not texts
            yield number, texts
    except UserError:
        raise
    except Exception as error:
        raise _not_readable(path, error) from error
    if is_empty:
        raise UserError("the sheet is empty", str(path), "Give one with at least one row, or name another with 'sheet:'.")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), value) if "_x" in value else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == _MIDNIGHT else value.isoformat(" ")
    return str(value)


def escape(text: str) -> str:
    """Returns a text as a workbook holds it, with what XML cannot hold, or would change, escaped."""
    text = re.sub(r"_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", text)
    return re.sub(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]", lambda match: f"_x{ord(match[0]):04X}_", text)


def _padded(cells: list[str], width: int) -> list[str]:
    return cells + [""] * (width - len(cells))


def _refuse_bomb(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as packed:
            num_bytes = sum(entry.file_size for entry in packed.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise _not_readable(path, error) from error
    if num_bytes > _MAX_BYTES and num_bytes > _MAX_EXPANSION * path.stat().st_size:
        raise UserError(f"the workbook unpacks to more than {_MAX_EXPANSION} times its size", str(path), "Save its sheet as CSV.")


def _not_readable(path: Path, error: Exception) -> UserError:
    cause = f"not a readable Excel file: {error}"
    return UserError(cause, str(path), "Save it again as .xlsx, without a password, or its sheet as 'CSV UTF-8'.")
