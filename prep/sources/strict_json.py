"""The strict reader of JSON: each record with its value, its line, what is wrong with it, and the keys that nobody read.

Build, lint and validation read JSON here and nowhere else; what each does about a defect is its own to say.
"""

import json
import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn

from loopwright.files import is_utf8
from prep.sources.json_paths import key_path, walk
from prep.sources.raw_file import MAX_LINE_BYTES, Block, numbered_lines

_SPACE = re.compile(r"[ \t\r\n]*")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNDECODED = re.compile("[\udc80-\udcff]")  # as `surrogateescape` keeps bytes


class Flaw(StrEnum):
    """What can be wrong with a record before anybody asks what it says. Behind the last three stands a value all the same."""

    BLANK = "blank"
    TOO_LONG = "too_long"
    ENCODING = "encoding"
    SYNTAX = "syntax"
    CONSTANT = "constant"
    DIGITS = "digits"
    DEPTH = "depth"
    TRAILING = "trailing"
    UNCLOSED = "unclosed"
    SEPARATOR = "separator"
    REPEATED_KEY = "repeated_key"
    SURROGATE = "surrogate"


@dataclass(frozen=True, slots=True)
class JsonDefect:
    """Something that is wrong with a record.

    Attributes:
        flaw: what it is.
        cause: the same in words, as Python's own reader says it where it does.
        position: the character at which it shows, 0-based, counted from where the record's text begins; None where it has no one place.
        path: where in the value; empty for all of it.
        key: the key that stands twice, where that is what is wrong.
    """

    flaw: Flaw
    cause: str
    position: int | None = None
    path: str = ""
    key: str = ""


class NoJsonError(ValueError):
    """A text that is no JSON value, or none that can be read."""

    def __init__(self, flaw: Flaw, cause: str, position: int | None = None) -> None:
        super().__init__(cause if position is None else f"{cause} at column {position + 1}")
        self.defect = JsonDefect(flaw, cause, position)


class Keys(dict[str, Any]):
    """An object that knows which of its keys were asked for, so that those which nobody reads can be told and counted.

    `keys["name"]` and `keys.get("name")` ask for a value; a key that is not there is None. `"name" in keys` only looks.
    """

    __slots__ = ("_asked", "_left")

    def __init__(self, values: Any = ()) -> None:
        super().__init__(values)
        self._asked: set[str] = set()
        self._left: list[str] = []

    def __getitem__(self, key: str) -> Any:
        self._asked.add(key)
        return super().get(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Asks for a value."""
        self._asked.add(key)
        return super().get(key, default)

    def peek(self, key: str) -> Any:
        """Returns a value without asking for it: None where it is not there."""
        return super().get(key)

    def ask(self, *keys: str) -> None:
        """Notes keys that somebody else reads whole."""
        self._asked.update(keys)

    def leave(self, paths: Iterable[str]) -> None:
        """Notes what whoever asked for a value did not read within it, by paths such as `messages[].annotator`."""
        self._left.extend(paths)

    @property
    def unread(self) -> list[str]:
        """The paths that nobody read, each once. Null says nothing, as tables fill every column: it need not be read."""
        own = [key_path(key) for key, value in self.items() if key not in self._asked and value is not None]
        return list(dict.fromkeys(own + self._left)) if self._left else own


@dataclass(slots=True)
class JsonRecord:
    """One value of a file of JSON.

    Attributes:
        line: 1-based, where it starts.
        value: what it is; None where it cannot be read. It counts only where there is no `error`.
        defects: what is wrong with it.
        text: its line, of JSON Lines; with the bytes that are not of the encoding as lone surrogates.
        texts: of a table's row, its columns as the table holds them; None where the value is JSON of its own.
        standing: the value as it stands in the file, where something was cleaned at reading: its identity is made of that.
    """

    line: int
    value: Any = None
    defects: list[JsonDefect] = field(default_factory=list)
    text: str = ""
    standing: Any = None
    texts: dict[str, str] | None = None
    _keys: Keys | None = None

    @property
    def error(self) -> JsonDefect | None:
        """Why there is no value; None where there is one."""
        return next((defect for defect in self.defects if defect.flaw not in _BESIDE_A_VALUE), None)

    @property
    def keys(self) -> Keys:
        """The object's keys, for whoever reads the record: the same for all who do. A value that is no object has none."""
        if self._keys is None:
            self._keys = Keys(self.value if isinstance(self.value, dict) else ())
        return self._keys

    @property
    def unread(self) -> list[str]:
        """The paths of the keys that nobody read."""
        return self.keys.unread


_BESIDE_A_VALUE = frozenset({Flaw.SEPARATOR, Flaw.REPEATED_KEY, Flaw.SURROGATE})


class Decoder:
    """Reads one value after the other.

    Args:
        watches: also looks for what a value does not show: keys that stand twice in an object, halves of surrogate pairs. It costs about
            as much again as reading.
        takes_constants: reads NaN and Infinity, which are no JSON.
    """

    def __init__(self, *, watches: bool = False, takes_constants: bool = False) -> None:
        self.watches = watches
        self._repeated: list[tuple[dict[str, Any], str]] = []
        self._decoder = json.JSONDecoder(
            parse_constant=None if takes_constants else refuse_constant, object_pairs_hook=self._object if watches else None
        )

    def value_at(self, text: str, position: int) -> tuple[Any, int]:
        """Returns the value that begins at a position, and where it ends.

        Raises:
            NoJsonError: there is none that can be read.
        """
        if self._repeated:
            self._repeated.clear()
        try:
            return self._decoder.raw_decode(text, position)
        except NoJsonError:
            raise
        except json.JSONDecodeError as error:
            raise NoJsonError(Flaw.SYNTAX, error.msg.removesuffix(" at"), error.pos) from error
        except RecursionError as error:
            raise NoJsonError(Flaw.DEPTH, "nested too deeply") from error
        except ValueError as error:  # a number of thousands of digits
            raise NoJsonError(Flaw.DIGITS, str(error)) from error

    def value(self, text: str) -> Any:
        """Returns the one value that a text holds.

        Raises:
            NoJsonError: it holds none, or more.
        """
        value, end = self.value_at(text, _space_end(text, 0))
        after = _space_end(text, end)
        if after != len(text):
            raise NoJsonError(Flaw.TRAILING, "Extra data", after)
        return value

    def record(self, line: int, text: str) -> JsonRecord:
        """Reads a line as a record. One behind whose value more stands has that value and an error."""
        try:
            value, end = self.value_at(text, _space_end(text, 0))
        except NoJsonError as error:
            return JsonRecord(line, None, [error.defect], text)
        defects = self.hidden(value, text, 0, end)
        if _space_end(text, end) != len(text):
            defects.append(JsonDefect(Flaw.TRAILING, "Extra data", end))
        return JsonRecord(line, value, defects, text)

    def hidden(self, value: Any, text: str, start: int, end: int) -> list[JsonDefect]:
        """Returns what the value that was read last, from `text[start:end]`, does not show; nothing where the decoder does not watch."""
        if not self.watches or not (self._repeated or _SURROGATE_ESCAPE.search(text, start, end)):
            return []
        repeated: dict[int, list[str]] = {}
        for made, key in self._repeated:
            repeated.setdefault(id(made), []).append(key)
        found: list[JsonDefect] = []
        for path, one in walk(value):
            if isinstance(one, dict):
                for key in repeated.get(id(one), ()):
                    cause = f"the key '{key}' stands twice in one object"
                    found.append(JsonDefect(Flaw.REPEATED_KEY, cause, path=path, key=key))
                if any(_SURROGATE.search(key) for key in one):
                    found.append(JsonDefect(Flaw.SURROGATE, "a key holds half a surrogate pair", path=path))
            elif isinstance(one, str) and _SURROGATE.search(one):
                found.append(JsonDefect(Flaw.SURROGATE, "the text holds half a surrogate pair", path=path))
        return found

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            seen: set[str] = set()
            self._repeated.extend((made, key) for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return made


def read_lines(block: Block, decoder: Decoder, only: Container[int] | None = None) -> Iterator[JsonRecord]:
    """Yields the record of each line of a block; a blank line is one with nothing but that defect.

    Args:
        block: whole lines of a file.
        decoder: what reads them.
        only: the numbers of the lines to read; default: all.
    """
    if block.is_overlong:
        yield JsonRecord(block.first_line, None, [JsonDefect(Flaw.TOO_LONG, f"the line is longer than {MAX_LINE_BYTES >> 20} MiB")])
    for number, line in numbered_lines(block):
        if only is not None and number not in only:
            continue
        if not (block.is_clean or is_utf8(line)):
            yield JsonRecord(number, None, [undecoded(line)], line)
        elif line.strip():
            yield decoder.record(number, line)
        else:
            yield JsonRecord(number, None, [JsonDefect(Flaw.BLANK, "the line is blank")], line)


def undecoded(text: str, start: int = 0, end: int | None = None) -> JsonDefect:
    """Returns the defect of a text that holds bytes of another encoding."""
    found = _UNDECODED.search(text, start, len(text) if end is None else end)
    position = found.start() if found else start
    return JsonDefect(Flaw.ENCODING, f"the byte 0x{ord(text[position]) - 0xDC00:02x}", position - start)


def _space_end(text: str, start: int) -> int:
    space = _SPACE.match(text, start)
    assert space is not None
    return space.end()


def refuse_constant(name: str) -> NoReturn:
    """Refuses NaN and Infinity, which Python's reader takes and JSON does not know."""
    raise NoJsonError(Flaw.CONSTANT, f"{name} is not JSON")
