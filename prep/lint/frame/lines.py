"""What lint says of values that the strict reader cannot give, or gives with a defect."""

from collections.abc import Container, Iterator
from pathlib import Path

from loopwright.errors import UserError
from prep.lint.base.defects import Defect
from prep.sources.json_text import read_document
from prep.sources.raw_file import Block, RawFile, data_suffix
from prep.sources.source_config import SourceConfig
from prep.sources.strict_json import Decoder, Flaw, JsonDefect, JsonRecord, read_lines

BOM = b"\xef\xbb\xbf"


Item = JsonRecord | Defect
"""A record with a value, or why there is none."""


def read_records(path: Path, source: str, encoding: str = "utf-8") -> Iterator[Item]:
    """Yields each JSON value of a JSON Lines file or a JSON document, and a defect for what cannot be read.

    Raises:
        UserError: the file is missing, unreadable, empty, or of another format altogether.
    """
    if not path.exists():
        raise UserError("the file does not exist", str(path), "Check the path.")
    file = RawFile(path, SourceConfig(path=str(path), encoding=encoding))
    with file.open() as opened:
        head = opened.read(4096)
    if head.startswith(BOM):
        yield Defect("FMT001", source, 1, "the file begins with a byte order mark, which was skipped", severity="info")
    if not _is_document(path, head.decode(file.codec(), "replace").removeprefix("\ufeff")):
        for block in file.blocks():
            yield from block_records(block, source)
        return
    for record in read_document(file, Decoder(watches=True)):
        yield from _items(record, source, in_document=True)


def _is_document(path: Path, head: str) -> bool:
    """Says whether the file is one JSON document rather than lines: an array, or an object spread over lines."""
    first_line, newline, _ = head.lstrip().partition("\n")
    is_json = data_suffix(path) == ".json"
    if first_line.startswith("["):
        return is_json or first_line.strip() == "[" or not first_line.rstrip().endswith("]")
    return is_json and first_line.strip() == "{" and bool(newline)


def block_records(block: Block, source: str, only: Container[int] | None = None) -> Iterator[Item]:
    """Yields the JSON value of each line of a block, and a defect for a line that is none.

    Args:
        block: whole lines of a file.
        source: the file's name.
        only: the numbers of the lines to read; default: all.
    """
    for record in read_lines(block, Decoder(watches=True), only):
        yield from _items(record, source)


def _items(record: JsonRecord, source: str, *, in_document: bool = False) -> Iterator[Item]:
    """Yields the record, or why it has no value; half a surrogate pair takes the value with it, which no table can hold."""
    unusable = record.error or next((defect for defect in record.defects if defect.flaw is Flaw.SURROGATE), None)
    for defect in record.defects:
        if defect.flaw is Flaw.SEPARATOR:
            yield Defect("FMT001", source, record.line, f"not valid JSON: {defect.cause}")
    if unusable is None:
        yield record
    elif unusable.flaw is not Flaw.BLANK:
        yield Defect("FMT001", source, record.line, _why(unusable, record, in_document))


def _why(defect: JsonDefect, record: JsonRecord, in_document: bool) -> str:
    if "\0" in record.text and defect.flaw is not Flaw.ENCODING:
        return "the line contains NUL bytes"
    place = (defect.position or 0) + 1
    words = {
        Flaw.TOO_LONG: defect.cause,
        Flaw.ENCODING: f"not UTF-8: {defect.cause} at character {place} of the {'value' if in_document else 'line'}",
        Flaw.UNCLOSED: "the array is not closed: the file is truncated",
        Flaw.TRAILING: defect.cause if in_document else f"not valid JSON: more text follows the value, at position {place}",
        Flaw.SURROGATE: "not valid JSON: an escape is half a surrogate pair, not a character",
    }
    if in_document:
        words[Flaw.SYNTAX] = f"not valid JSON from here on; the rest of the file was not read: {_at(defect)}"
    return words.get(defect.flaw, f"not valid JSON: {_at(defect)}")


def _at(defect: JsonDefect) -> str:
    cause = defect.cause if defect.flaw is not Flaw.SYNTAX else defect.cause[:1].lower() + defect.cause[1:]
    return cause if defect.position is None else f"{cause}, at position {defect.position + 1}"
