"""Where a table of delimited text begins: the delimiter, what stands above the header, and whether there is a header."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # what Excel writes and reads above a header
_NUMBER = re.compile(r"\s*[-+]?(?:\d[\d.,]*|[.,]\d+)(?:[eE][-+]?\d+)?%?\s*")
_NUM_COMPARED = 20  # rows that a header is compared with
_MAX_ABOVE = 10  # rows that a title and its like take above a header
_MAX_NAME_CHARACTERS = 200
_MAX_TITLED_NAME_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a table begins.

    Attributes:
        delimiter: what stands between fields.
        num_above: lines above the header, or above the first row where there is none.
        above: the first of them that says something; empty where none does.
    """

    delimiter: str
    num_above: int
    above: str = ""


def find_beginning(lines: Sequence[str], *, delimiter: str | None, quoting: int, may_have_title: bool) -> Beginning:
    """Looks at the first lines of a file.

    Args:
        lines: with their line ends.
        delimiter: what stands between fields; None to look for it.
        quoting: a constant of the csv module.
        may_have_title: lines above the header may be a title and are then passed over; else the first that is not blank is the header.
    """
    start = next((number for number, line in enumerate(lines) if line.strip("\r\n")), len(lines))
    lines = lines[start:]
    if lines and (told := _SEPARATOR_LINE.fullmatch(lines[0].rstrip("\r\n"))):
        rest = find_beginning(lines[1:], delimiter=delimiter or told[1], quoting=quoting, may_have_title=may_have_title)
        return Beginning(rest.delimiter, start + 1 + rest.num_above, rest.above)
    delimiter = delimiter or _delimiter_of(lines, quoting)
    num_above = num_rows_above(_split(lines, delimiter, quoting)) if may_have_title else 0
    above = next((line.strip().strip(delimiter) for line in lines[:num_above] if line.strip().strip(delimiter)), "")
    return Beginning(delimiter, start + num_above, above)


def looks_like_a_row(header: list[str], rows: Sequence[list[str]]) -> bool:
    """Says whether a first line is no header.

    It is none where a field of it stands in a fifth of the next rows too, as a label does, is too long for a name, or is a number above
    nothing but numbers; or where a sentence stands in it beside a blank above values, which names would have.
    """
    rows = rows[:_NUM_COMPARED]
    needed = max(2, len(rows) / 5)
    for index, name in enumerate(header):
        if not name.strip():
            continue
        values = [row[index] for row in rows if index < len(row)]
        if values.count(name) >= needed or len(name) > _MAX_NAME_CHARACTERS:
            return True
        if _NUMBER.fullmatch(name) and len(values) > 1 and all(map(_NUMBER.fullmatch, values)):
            return True
    gaps = [index for index, name in enumerate(header) if index and not name.strip()]
    has_gap = any(sum(bool(row[index].strip()) for row in rows if index < len(row)) > len(rows) / 2 for index in gaps)
    return has_gap and any(map(_is_sentence, header))


def _is_sentence(text: str) -> bool:
    return len(text) > _MAX_TITLED_NAME_CHARACTERS or (len(text.split()) > 2 and text.rstrip()[-1] in ".!?。！？")


def name_columns(header: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the names of the columns, and of those the ones that the header leaves without: they are called by their number."""
    names = list(header)
    unnamed: list[str] = []
    for number, name in enumerate(header, start=1):
        if not name.strip():
            made = f"column_{number}"
            while made in names:
                made += "_"
            names[number - 1] = made
            unnamed.append(made)
    return names, unnamed


def _delimiter_of(lines: Sequence[str], quoting: int) -> str:
    """Returns the delimiter that the first line has most of; where the next lines do not bear it out, as below a title, theirs."""
    if not lines:
        return _DELIMITERS[0]
    by_first = max(_DELIMITERS, key=lines[0].count)
    scores = {one: _usual_width(_split(lines, one, quoting)) for one in _DELIMITERS}
    width, num_rows = scores[by_first]
    if width > 1 and len(_split(lines[:1], by_first, quoting)[0][1]) == width:
        return by_first
    best = max(_DELIMITERS, key=lambda one: scores[one][1] if scores[one][0] > 1 else 0)
    return best if scores[best][0] > 1 and (width == 1 or scores[best][1] > num_rows) else by_first


def num_rows_above(rows: Sequence[tuple[int, list[str]]]) -> int:
    """Returns how many lines stand above a header that is like one beyond doubt; 0 where the first may be one.

    Args:
        rows: the first rows, each with the number of lines before it.
    """
    width, _ = _usual_width(rows)
    if width < 2:
        return 0
    for number in range(1, min(_MAX_ABOVE, len(rows) - 1) + 1):
        num_above, header = rows[number]
        filled = _num_filled(header)
        if len(header) != width or filled < 2:
            continue
        is_set_off = not _num_filled(rows[number - 1][1])
        if not all(_is_title(row) or (is_set_off and _num_filled(row) < filled) for _, row in rows[:number]):
            continue
        return num_above if _is_header(header, [row for _, row in rows[number + 1 :] if len(row) == width]) else 0
    return 0


def _is_title(row: list[str]) -> bool:
    """Whether nothing stands in a row but a first field: above an index without a name stand the other names."""
    return not _num_filled(row[1:])


def _is_header(header: list[str], rows: Sequence[list[str]]) -> bool:
    names = [name for name in header if name.strip()]
    is_short = all(len(name) <= _MAX_TITLED_NAME_CHARACTERS and not _NUMBER.fullmatch(name) for name in names)
    return bool(rows) and is_short and len(set(names)) == len(names) and not looks_like_a_row(header, rows)


def _num_filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def _usual_width(rows: Sequence[tuple[int, list[str]]]) -> tuple[int, int]:
    """Returns the commonest number of fields, and how many rows have it."""
    widths = Counter(len(row) for _, row in rows if row)
    return widths.most_common(1)[0] if widths else (0, 0)


def _split(lines: Sequence[str], delimiter: str, quoting: int) -> list[tuple[int, list[str]]]:
    """Returns the rows of some lines, each with the number of lines before it."""
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    rows: list[tuple[int, list[str]]] = []
    while True:
        before = reader.line_num
        try:
            row = next(reader, None)
        except csv.Error:
            continue
        if row is None:
            return rows
        rows.append((before, row))
