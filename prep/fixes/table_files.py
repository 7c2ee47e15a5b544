"""Tables that people open in a spreadsheet, as CSV or Excel, and their way back: what was written is read back equal.

No cell runs as a formula. In a CSV, which has no types, a cell that begins as one has an apostrophe before it, which is taken off again.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import UserError
from loopwright.files import atomic_file, write_atomic
from prep.sources.containers.excel import escape, load_openpyxl, open_sheet
from prep.sources.raw_file import RawFile
from prep.sources.source_config import SourceConfig

EXCEL = ".xlsx"
TABLES = (".csv", EXCEL)
_BOM = "\ufeff"
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # with the apostrophes of a text that itself begins as an escaped one does
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")
_MAX_CELL_CHARACTERS = 32_767  # of Excel; what is longer would be cut in silence


@dataclass(frozen=True, slots=True)
class Table:
    """A table that was read back.

    Attributes:
        header: its columns.
        rows: line and cells, by their column, of each row below the header.
    """

    header: list[str]
    rows: list[tuple[int, dict[str, str]]]


def write_table(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Writes a table that only its owner can read: a workbook where the name ends in `.xlsx`, else CSV with a mark of its encoding.

    Raises:
        UserError: it cannot be written, a cell is too long for Excel, or the extra is not installed.
    """
    if path.suffix.lower() == EXCEL:
        _write_workbook(path, rows)
    else:
        write_atomic(path, _BOM + as_csv(rows), private=True)


def as_csv(rows: Iterable[Sequence[str]]) -> str:
    """Returns a table as CSV."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([f"'{cell}" if _FORMULA.match(cell) else cell for cell in row] for row in rows)
    return buffer.getvalue()


def read_table(path: Path, encoding: str = "utf-8") -> Table:
    """Reads a table back.

    Raises:
        UserError: the file cannot be read, is of another encoding, or needs an extra that is not installed.
    """
    if path.suffix.lower() != EXCEL:
        return of_csv(RawFile(path, SourceConfig(path=str(path), encoding=encoding)).text())
    _, sheet = open_sheet(path)
    _, header = next(sheet)
    rows = [(number, dict(zip(header, [*cells, *[""] * len(header)], strict=False))) for number, cells in sheet if cells]
    return Table(header, rows)


def of_csv(text: str) -> Table:
    """Returns the table of a CSV's text."""
    text = text.lstrip(_BOM)  # an editor may add its own
    header = text.split("\n", 1)[0]
    # Spreadsheets write the delimiter of their country.
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), restval="")
    rows = []
    for row in reader:
        cells = {name: cell for name, cell in row.items() if name is not None}  # what stands behind the last column has no name
        rows.append((reader.line_num, {name: cell[1:] if _ESCAPED.match(cell) else cell for name, cell in cells.items()}))
    return Table(list(reader.fieldnames or ()), rows)


def _write_workbook(path: Path, rows: Iterable[Sequence[str]]) -> None:
    openpyxl = load_openpyxl(path)
    table = [[escape(cell) for cell in row] for row in rows]
    if (longest := max((len(cell) for row in table for cell in row), default=0)) > _MAX_CELL_CHARACTERS:
        cause = f"a text of {longest:,} characters is longer than a cell of Excel's, which holds {_MAX_CELL_CHARACTERS:,}"
        raise UserError(cause, str(path), "Write the table as .csv.")
    book = openpyxl.Workbook()
    for number, row in enumerate(table, start=1):
        for column, text in enumerate(row, start=1):
            cell = book.active.cell(number, column, text)
            cell.data_type = "s"  # text that begins with '=' is no formula, and '#N/A' no error
            cell.quotePrefix = _FORMULA.match(text) is not None
    with atomic_file(path, private=True) as written:
        book.save(written)
