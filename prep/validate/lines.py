"""Reading a training file a row at a time, with all that is wrong before a row is a row."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from loopwright.errors import UserError
from prep.validate.rules import WHOLE_FILE, Findings, kind_of

Row = dict[str, Any]

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")  # gzip, zstandard, zip
_WITHOUT_KEYS = (".txt", ".csv", ".tsv")  # libraries load them, and find no object there
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE = re.compile(r"\s*")
_PLAIN_KEY = re.compile(r"[\w-]{1,60}")
_SHOWN_CHARACTERS = 60
_MAX_DEPTH = 128  # where common JSON readers stop; deeper values load here and fail there


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
    decoder = _Decoder(found)
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                found.line = number
                line = raw.removeprefix(_BOM) if number == 1 else raw
                if line.strip():
                    yield decoder.row(line)
                else:
                    found.error("", "line.blank", "the line is blank")
    except OSError as error:
        raise _cannot_read(path, error.strerror or str(error)) from error


def _array_rows(path: Path, found: Findings) -> Iterator[Row | None]:
    """Reads an array element by element, so that each row knows its line. The whole file is in memory."""
    try:
        text = path.read_bytes().removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        found.line = error.object.count(b"\n", 0, error.start) + 1
        found.error("", "encoding.utf8", "the line is not UTF-8")
        return
    except OSError as error:
        raise _cannot_read(path, error.strerror or str(error)) from error
    decoder = _Decoder(found)
    position = _skip(text, text.index("[") + 1)
    line, counted = 1, 0
    is_open = not text.startswith("]", position)
    while is_open:
        line, counted = line + text.count("\n", counted, position), position
        found.line = line
        end = decoder.element(text, position)
        yield decoder.value
        if end is None:
            return
        position = _skip(text, end)
        is_open = text.startswith(",", position)
        position = _skip(text, position + is_open)
    if not text.startswith("]", position):
        found.error("", "json.invalid", "a comma or the end of the array is missing after this element")
        return
    if text[position + 1 :].strip():
        found.error("", "json.invalid", "something follows the array")


def _skip(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    assert space is not None
    return space.end()


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


class _Decoder:
    """Parses rows, strictly, and says what the standard reader passes over: NaN, keys given twice, halves of surrogate pairs."""

    def __init__(self, found: Findings) -> None:
        self._found = found
        self._repeated: list[tuple[dict[str, Any], str]] = []
        self._decoder = json.JSONDecoder(parse_constant=refuse_constant, object_pairs_hook=self._object)
        self.value: Row | None = None

    def row(self, line: bytes) -> Row | None:
        """Returns a line's object."""
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            self._found.error("", "encoding.utf8", f"byte {error.start + 1} of the line is not UTF-8")
            return None
        start = len(text) - len(text.lstrip())
        end = self.element(text, start)
        if end is not None and text[end:].strip():
            self._found.error("", "json.invalid", f"something follows the object, from column {end + 1}")
            return None
        return self.value if end is not None else None

    def element(self, text: str, start: int) -> int | None:
        """Parses the value at `start` into `self.value` (None unless it is an object); returns its end, None where there is no end."""
        self.value = None
        self._repeated.clear()
        try:
            value, end = self._decoder.raw_decode(text, start)
        except RecursionError:
            self._found.error("", "json.too_deep", "the value is nested too deeply to be read")
            return None
        except ValueError as error:  # JSONDecodeError, or a number with thousands of digits
            self._found.error("", "json.invalid", _decode_message(error))
            return None
        if text.count("{", start, end) + text.count("[", start, end) > _MAX_DEPTH and _depth(value) > _MAX_DEPTH:
            self._found.error("", "json.too_deep", f"the value is nested more than {_MAX_DEPTH} levels deep")
            return end
        if not isinstance(value, dict):
            self._found.error("", "json.not_object", f"expected an object, found {kind_of(value)}")
            return end
        if self._repeated or _SURROGATE_ESCAPE.search(text[start:end].encode("utf-8", "surrogatepass")):
            self._report_hidden(value)
        self.value = value
        return end

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            seen: set[str] = set()
            self._repeated.extend((made, key) for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return made

    def _report_hidden(self, row: Row) -> None:
        repeated: dict[int, list[str]] = {}
        for made, key in self._repeated:
            repeated.setdefault(id(made), []).append(key)
        for path, value in walk(row):
            if isinstance(value, dict):
                for key in repeated.get(id(value), ()):
                    self._found.error(join(path, key), "json.duplicate_key", f"the key '{key}' stands twice in one object")
                if any(_SURROGATE.search(key) for key in value):
                    self._found.error(path, "json.surrogate", "a key holds half a surrogate pair")
            elif isinstance(value, str) and _SURROGATE.search(value):
                self._found.error(path, "json.surrogate", "the text holds half a surrogate pair")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, (dict, list))]:
        depth += 1
        level = [child for one in level for child in (one.values() if isinstance(one, dict) else one)]
    return depth


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields a value and all within it, each with its path, without recursion: the depth is the file's to choose."""
    stack = [(path, value)]
    while stack:
        where, one = stack.pop()
        yield where, one
        if isinstance(one, dict):
            stack.extend((join(where, str(key)), child) for key, child in reversed(one.items()))
        elif isinstance(one, list):
            stack.extend((f"{where}[{index}]", child) for index, child in reversed(list(enumerate(one))))


def join(path: str, key: str) -> str:
    """Returns the path of a key within what lies at `path`; a key that is no plain word is quoted, and cut where it is long."""
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{shown(key)}]"
    return f"{path}.{key}" if path else key


def shown(text: str) -> str:
    """Returns a stranger's text as messages show it: quoted, on one line, no longer than can be read."""
    return json.dumps(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...", ensure_ascii=False)


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


def _decode_message(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.removesuffix(' at')} at column {error.colno}"
    return str(error).split(";", maxsplit=1)[0]


def refuse_constant(name: str) -> NoReturn:
    """Refuses NaN and Infinity, which Python's reader takes and JSON does not know."""
    raise ValueError(f"{name} is not JSON")


def _cannot_read(path: Path, cause: str) -> UserError:
    return UserError(f"cannot read the file: {cause}", str(path), "Check the path and its permissions.")
