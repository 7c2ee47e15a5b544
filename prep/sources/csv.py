"""Delimited text with a header line."""

import csv
import io
from pathlib import Path

from loopwright.errors import UserError
from prep.source import RawRows, RowCollector, Source, codec_name, decode_all, is_utf8, read_bytes

_MAX_FIELD_CHARACTERS = 1 << 30
_DELIMITERS = (",", ";", "\t", "|")


class Csv(Source):
    """CSV with a header line, quoted fields, newlines within quotes; the delimiter is the one that the header has most of."""

    name = "csv"
    suffixes = (".csv",)

    def read(self, path: Path, encoding: str) -> RawRows:
        """Reads the file; a row that is quoted wrongly, or has another number of fields than the header, is rejected."""
        text = decode_delimited(path, encoding)
        header = text.lstrip("\r\n").split("\n", 1)[0]
        return read_delimited(path, text, delimiter=max(_DELIMITERS, key=header.count), quoting=csv.QUOTE_MINIMAL)


def read_delimited(path: Path, text: str, *, delimiter: str, quoting: int) -> RawRows:
    """Reads delimited text. Bytes that did not decode stand as lone surrogates and reject their row.

    Raises:
        UserError: the header is quoted wrongly, is of another encoding, or has an empty or repeated name.
    """
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    # Strict, or a quote that is never closed would take all rows after it into its field without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
    rows = RowCollector()
    try:
        header = next((values for values in reader if values), [])
    except csv.Error as error:
        raise UserError(f"the header does not split into fields: {error}", f"{path}:{reader.line_num}", "Mend that line.") from error
    _check_header(path, header, reader.line_num)
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return rows.rows()
        except csv.Error as error:
            rows.reject(line, "bad_quotes", f"{error}, between line {line} and line {reader.line_num}")
            continue
        if values and len(values) != len(header):
            rows.reject(line, "ragged", f"{len(values)} fields where the header has {len(header)}")
        elif values:
            rows.add(line, dict(zip(header, values, strict=True)))


def decode_delimited(path: Path, encoding: str) -> str:
    """Decodes a delimited file, leaving bytes that are not UTF-8 as lone surrogates for `read_delimited` to reject row by row."""
    data = read_bytes(path)
    if codec_name(encoding, path) == "utf-8" and data[:2] not in {b"\xff\xfe", b"\xfe\xff"}:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return decode_all(data, path, encoding)


def _check_header(path: Path, header: list[str], line: int) -> None:
    where = f"{path}:{line}"
    for name in header:
        if not is_utf8(name):
            raise UserError("the header is not UTF-8", where, "Set 'encoding:' for this source, such as latin-1.")
        if not name.strip():
            raise UserError("a column of the header has no name", where, "Name each column in the first line.")
        if header.count(name) > 1:
            raise UserError(f"the header names '{name}' twice", where, "Give each column its own name.")
