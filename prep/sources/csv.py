"""Delimited text with a header line."""

import csv
import io
from pathlib import Path

from loopwright.errors import UserError
from prep.source import RawRows, RowCollector, Source, decode_all, read_bytes

_MAX_FIELD_CHARACTERS = 1 << 30
_DELIMITERS = (",", ";", "\t", "|")


class Csv(Source):
    """CSV with a header line, quoted fields, newlines within quotes; the delimiter is the one that the header has most of."""

    name = "csv"
    suffixes = (".csv",)

    def read(self, path: Path, encoding: str) -> RawRows:
        """Reads the file; a row with another number of fields than the header is rejected."""
        text = decode_delimited(path, encoding)
        header = text.split("\n", 1)[0]
        return read_delimited(path, text, delimiter=max(_DELIMITERS, key=header.count), quoting=csv.QUOTE_MINIMAL)


def read_delimited(path: Path, text: str, *, delimiter: str, quoting: int) -> RawRows:
    """Reads delimited text. Bytes that did not decode stand as lone surrogates and reject their row.

    Raises:
        UserError: the header has an empty or repeated name, or the text cannot be split into fields at all.
    """
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    rows = RowCollector()
    try:
        header = next(reader, [])
        _check_header(path, header)
        line = reader.line_num + 1
        for values in reader:
            if values and len(values) != len(header):
                rows.reject(line, "ragged", f"{len(values)} fields where the header has {len(header)}")
            elif values:
                rows.add(line, dict(zip(header, values, strict=True)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"the file does not split into fields: {error}", f"{path}:{reader.line_num}", "Mend that line.") from error
    return rows.rows()


def decode_delimited(path: Path, encoding: str) -> str:
    """Decodes a delimited file, leaving bytes that are not UTF-8 as lone surrogates for `read_delimited` to reject row by row."""
    data = read_bytes(path)
    if encoding.lower() in {"utf-8", "utf8"} and data[:2] not in {b"\xff\xfe", b"\xfe\xff"}:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return decode_all(data, path, encoding)


def _check_header(path: Path, header: list[str]) -> None:
    for name in header:
        if not name.strip():
            raise UserError("a column of the header has no name", f"{path}:1", "Name each column in the first line.")
        if header.count(name) > 1:
            raise UserError(f"the header names '{name}' twice", f"{path}:1", "Give each column its own name.")
