"""Reading a training file a row at a time, with all that is wrong before a row is a row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loopwright.errors import UserError
from loopwright.files import is_utf8
from prep.sources.json_paths import depth_of, join
from prep.sources.json_text import read_document
from prep.sources.raw_file import RawFile
from prep.sources.source_config import SourceConfig
from prep.sources.strict_json import Decoder, Flaw, JsonDefect, JsonRecord, undecoded
from prep.targets.checks.rules import WHOLE_FILE, Findings, kind_of

Row = dict[str, Any]

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")  # gzip, zstandard, zip
_WITHOUT_KEYS = (".txt", ".csv", ".tsv")  # libraries load them, and find no object there
_MAX_DEPTH = 128  # where common JSON readers stop; deeper values load here and fail there
_RULES = {
    Flaw.TOO_LONG: "json.invalid",
    Flaw.ENCODING: "encoding.utf8",
    Flaw.SYNTAX: "json.invalid",
    Flaw.CONSTANT: "json.invalid",
    Flaw.DIGITS: "json.invalid",
    Flaw.DEPTH: "json.too_deep",
    Flaw.TRAILING: "json.invalid",
    Flaw.UNCLOSED: "json.invalid",
    Flaw.SEPARATOR: "json.invalid",
    Flaw.REPEATED_KEY: "json.duplicate_key",
    Flaw.SURROGATE: "json.surrogate",
}


def read_rows(path: Path, found: Findings, *, bom_is_error: bool, lines_only: bool) -> Iterator[Row | None]:
    """Yields each row of a JSON Lines file, JSON array or parquet file; None for one that cannot be read, which is in `found`.

    `found.line` is the row's line while it is looked at. Of JSON Lines no more than a line is in memory.

    Args:
        path: the file.
        found: collects what is wrong.
        bom_is_error: a byte order mark is an error, not a warning.
        lines_only: the target takes JSON Lines alone.

    Raises:
        UserError: the file cannot be opened or read.
    """
    if path.suffix == ".parquet":
        if lines_only:
            found.error("", "file.format", "the file is parquet; write one object a line")
        yield from _parquet_rows(path, found)
        return
    if path.suffix in _WITHOUT_KEYS and not lines_only:
        raise UserError("files of this kind are not checked: the rules are about objects", str(path), "Give JSON Lines, JSON or parquet.")
    try:
        with path.open("rb") as file:
            head = file.readline()
            is_array = _begins_an_array(head.removeprefix(_BOM)) and not (_is_json(head.removeprefix(_BOM)) and any(map(bytes.strip, file)))
    except OSError as error:
        raise _cannot_read(path, error.strerror or str(error)) from error
    if head.startswith(_COMPRESSED):
        raise UserError("the file is compressed", str(path), "Unpack it: targets take plain files.")
    found.line = 1
    if head.startswith(_UTF16):
        found.error("", "encoding.utf8", "the file is UTF-16; save it as UTF-8")
        return
    if head.startswith(_BOM):
        (found.error if bom_is_error else found.warning)("", "file.bom", "the file begins with a byte order mark")
    if is_array:
        if lines_only:
            found.error("", "file.format", "the file is an array; write one object a line")
        yield from _array_rows(path, found)
    else:
        yield from _line_rows(path, found)


def _begins_an_array(line: bytes) -> bool:
    return line.lstrip().startswith(b"[")


def _is_json(line: bytes) -> bool:
    """Says whether a line is a whole value: the first of JSON Lines, not the first of an array over several lines."""
    try:
        json.loads(line)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _line_rows(path: Path, found: Findings) -> Iterator[Row | None]:
    decoder = Decoder(watches=True)
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                found.line = number
                line = raw.removeprefix(_BOM) if number == 1 else raw
                if not line.strip():
                    found.error("", "line.blank", "the line is blank")
                    continue
                text = line.decode("utf-8", "surrogateescape")
                if is_utf8(text):
                    yield _row(decoder.record(number, text), found)
                else:
                    place = len(text[: undecoded(text).position].encode()) + 1
                    found.error("", "encoding.utf8", f"byte {place} of the line is not UTF-8")
                    yield None
    except OSError as error:
        raise _cannot_read(path, error.strerror or str(error)) from error


def _array_rows(path: Path, found: Findings) -> Iterator[Row | None]:
    """Reads an array element by element, so that each row knows its line."""
    for record in read_document(RawFile(path, SourceConfig(path=str(path))), Decoder(watches=True)):
        found.line = record.line
        row = _row(record, found)
        if record.error is None or record.error.flaw not in {Flaw.TRAILING, Flaw.UNCLOSED}:  # which are no rows
            yield row


def _row(record: JsonRecord, found: Findings) -> Row | None:
    """Returns a record's object, and reports what is wrong with it before it is looked at; None where it is none."""
    brackets = record.text.count("{") + record.text.count("[")
    if (brackets > _MAX_DEPTH or not record.text) and depth_of(record.value) > _MAX_DEPTH:
        found.error("", "json.too_deep", f"the value is nested more than {_MAX_DEPTH} levels deep")
        return None
    trailing = record.error if record.error is not None and record.error.flaw is Flaw.TRAILING else None
    for defect in (one for one in record.defects if one is not trailing):
        found.error(join(defect.path, defect.key) if defect.key else defect.path, _RULES[defect.flaw], _message(defect, record.text))
    if not isinstance(record.value, dict) and (record.error is None or (trailing and record.text)):
        found.error("", "json.not_object", f"expected an object, found {kind_of(record.value)}")
    if trailing:
        found.error("", _RULES[trailing.flaw], _message(trailing, record.text))
    return record.value if isinstance(record.value, dict) and record.error is None else None


def _message(defect: JsonDefect, text: str) -> str:
    if defect.flaw is Flaw.DEPTH:
        return "the value is nested too deeply to be read"
    if defect.flaw is Flaw.ENCODING:
        return f"not UTF-8: {defect.cause}"
    cause = defect.cause.split(";", maxsplit=1)[0]
    if defect.position is None:
        return cause
    if defect.flaw is Flaw.TRAILING:
        return f"something follows the object, from column {defect.position + 1}"
    return f"{cause} at column {defect.position - text.rfind(chr(10), 0, defect.position)}"


def _parquet_rows(path: Path, found: Findings) -> Iterator[Row | None]:
    import polars as pl

    number = 0
    try:
        for batch in pl.scan_parquet(path, glob=False).collect_batches(chunk_size=10_000, maintain_order=True):
            for row in batch.iter_rows(named=True):
                number += 1
                found.line = number
                yield {key: _without_nulls(value) for key, value in row.items() if value is not None}
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _cannot_read(path, str(error).splitlines()[0]) from error


def _without_nulls(value: Any) -> Any:
    """In parquet all structs of a column have all its fields: null says that a row has none of that name. Content alone may be null."""
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None or key == "content"}
    return value


def check_size(path: Path, max_bytes: int | None, found: Findings) -> None:
    """Compares the file's size with what the target takes.

    Raises:
        UserError: the file is not there, or is none.
    """
    if not path.is_file():
        cause = "this is a folder, not a file" if path.is_dir() else "there is no such file"
        raise UserError(cause, str(path), "Name a training file.")
    size = path.stat().st_size
    if max_bytes is not None and size > max_bytes:
        found.line = WHOLE_FILE
        found.error("", "file.too_large", f"the file has {size:,} bytes; at most {max_bytes:,} are taken")


def _cannot_read(path: Path, cause: str) -> UserError:
    return UserError(f"cannot read the file: {cause}", str(path), "Check the path and its permissions.")
