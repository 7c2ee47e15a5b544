"""Training files from elsewhere, line by line: every record with its line, every unreadable line with its reason."""

import json
from collections.abc import Container, Iterator
from json.decoder import JSONDecoder
from pathlib import Path
from typing import Any

from loopwright.errors import UserError
from prep.lint.defects import Defect
from prep.raw_file import Block, RawFile, RejectedRow, block_lines, data_suffix, wide_mark
from prep.source_config import SourceConfig

_BOM = b"\xef\xbb\xbf"
_WHITE_SPACE = " \t\r\n"


def read_records(path: Path, source: str) -> Iterator[tuple[int, Any] | Defect]:
    """Yields (line, value) for each JSON value of a JSON Lines file or a JSON array, and a defect for what cannot be read.

    Raises:
        UserError: the file is missing, unreadable, empty, or of another format altogether.
    """
    if not path.exists():
        raise UserError("the file does not exist", str(path), "Check the path.")
    file = RawFile(path, SourceConfig(path=str(path)))
    with file.open() as opened:
        head = opened.read(4096)
    if mark := wide_mark(head):
        raise UserError(f"the file is {mark}", str(path), "Save it as UTF-8.")
    if head.startswith(_BOM):
        yield Defect("FMT001", source, 1, "the file begins with a byte order mark, which was skipped", severity="info")
    if _is_document(path, head):
        yield from _read_document(file, source)
    else:
        yield from _read_lines(file, source)


def _is_document(path: Path, head: bytes) -> bool:
    """Says whether the file is one JSON document rather than lines: an array, or an object spread over lines."""
    first_line, newline, _ = head.removeprefix(_BOM).lstrip().partition(b"\n")
    is_json = data_suffix(path) == ".json"
    if first_line.startswith(b"["):
        return is_json or first_line.strip() == b"[" or not first_line.rstrip().endswith(b"]")
    return is_json and first_line.strip() == b"{" and bool(newline)


def _read_lines(file: RawFile, source: str) -> Iterator[tuple[int, Any] | Defect]:
    for block in file.blocks():
        yield from block_values(block, source)


def block_values(block: Block, source: str, only: Container[int] | None = None) -> Iterator[tuple[int, Any] | Defect]:
    """Yields (line, value) for the JSON value of each line of a block, and a defect for a line that is none.

    Args:
        block: whole lines of a file.
        source: the file's name.
        only: the numbers of the lines to read; default: all.
    """
    for number, line in block_lines(block, "UTF-8"):
        if only is not None and number not in only:
            continue
        if isinstance(line, RejectedRow):
            yield Defect("FMT001", source, number, line.detail if block.is_overlong else f"not UTF-8: {_bad_byte(block, number)}")
        elif line.strip():
            try:
                yield number, parse_json(line)
            except ValueError as error:
                yield Defect("FMT001", source, number, "the line holds NUL bytes" if "\0" in line else f"not valid JSON: {error}")


def _bad_byte(block: Block, number: int) -> str:
    line = block.text.split("\n")[number - block.first_line]
    position = next(index for index, character in enumerate(line) if "\udc80" <= character <= "\udcff")  # as `surrogateescape` keeps bytes
    return f"the byte 0x{ord(line[position]) - 0xDC00:02x} at character {position + 1} of the line"


def _read_document(file: RawFile, source: str) -> Iterator[tuple[int, Any] | Defect]:
    try:
        with file.open() as opened:
            text = opened.read().removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        yield Defect("FMT001", source, line, f"not UTF-8: the byte 0x{error.object[error.start]:02x}; nothing of the file was read")
        return
    position = _skip(text, 0)
    if not text.startswith("[", position):
        try:
            yield _line_at(text, position), parse_json(text)
        except ValueError as error:
            yield Defect("FMT001", source, _line_at(text, position), f"not valid JSON: {error}")
        return
    line, counted = 1, 0
    position = _skip(text, position + 1)
    while position < len(text) and text[position] != "]":
        line += text.count("\n", counted, position)
        counted = position
        try:
            value, position = _parse_at(text, position)
        except ValueError as error:
            yield Defect("FMT001", source, line, f"not valid JSON from here on, so the rest of the array was not read: {error}")
            return
        yield line, value
        position = _skip(text, position)
        if position < len(text) and text[position] == ",":
            position = _skip(text, position + 1)
    if position >= len(text):
        yield Defect("FMT001", source, _line_at(text, len(text)), "the array is not closed: the file breaks off")


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _WHITE_SPACE:
        position += 1
    return position


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class DuplicateKeys(dict[str, Any]):
    """An object in which a key stood twice; the last value counts, as in most readers."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else DuplicateKeys(fields)


_DECODER = JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)


def canonical_json(value: Any) -> str:
    """Returns a value as compact JSON with its keys in order: the same for all ways to write it."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def parse_json(text: str) -> Any:
    """Parses one JSON value strictly.

    Raises:
        ValueError: it is none, it is nested too deeply, or it holds what JSON does not know (NaN) or UTF-8 cannot say (half a
            surrogate pair).
    """
    value, end = _parse_at(text, _skip(text, 0))
    if _skip(text, end) != len(text):
        raise ValueError(f"more text follows the value, at position {end + 1}")
    return value


def _parse_at(text: str, position: int) -> tuple[Any, int]:
    try:
        value, end = _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        cause = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        raise ValueError(f"{cause}, at position {error.pos - position + 1}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    # Polars, and every UTF-8 writer, refuses half a surrogate pair; `\ud83d` alone is how one gets in.
    if "\\ud" in text[position:end].lower():
        _refuse_surrogates(value)
    return value, end


def _refuse_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("an escape is half a surrogate pair, which is no character") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
