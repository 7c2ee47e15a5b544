"""JSON: an array of objects, or an object that holds the rows."""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from loopwright.errors import UserError
from prep.raw_file import MAX_LINE_BYTES, RawFile, RejectedRow
from prep.source import Record, RecordSource
from prep.sources.jsonl import JsonLines, parse_object

_SPACE = re.compile(r"[ \t\r\n,]*")
_MAX_SKIPPED_DEPTH = 1_000_000
_LONGEST_TOKEN = 16  # that a text may be cut within: -Infinity, or an escaped pair of surrogates
_TOKEN = re.compile(r'\\.|["\[\]{},]', re.DOTALL)
# A list under one of these is a part of one record, not the rows of a file.
_OF_ONE_RECORD = frozenset({"messages", "conversations", "conversation", "turns", "dialogue", "dialog", "tools", "choices", "spans"})


class _TooLongError(ValueError):
    """A value that is longer than a row may be."""


class _BadConstantError(ValueError):
    """NaN or Infinity, which are no JSON."""


def _refuse_constant(name: str) -> NoReturn:
    raise _BadConstantError(f"{name} is not JSON")


_STRICT = json.JSONDecoder(parse_constant=_refuse_constant)
_LENIENT = json.JSONDecoder()


class JsonArray(RecordSource):
    """An array of objects; or one object: with the rows in a list under one of its keys, or with a row under each key.

    In the last case the key becomes the column `key`. A file of several objects is taken for JSON Lines, whatever its name.
    """

    name = "json"
    suffixes = (".json",)

    def records(self, file: RawFile) -> Iterator[Record]:
        """Reads an array element by element, so that each row knows its line and a file of any size fits; an object in one piece."""
        text = _Text(file)
        text.skip_space()
        if text.starts_with("["):
            yield from _elements(text, file)
            text.skip_space()
            if not text.is_over:
                raise UserError("something follows the array", f"{file.path}:{text.line}", "Keep one array, or use one object a line.")
        elif text.starts_with("{") and _is_json_lines(file):
            yield from JsonLines().records(file)
        elif text.starts_with("{"):
            yield from _object_rows(text, file)
        else:
            raise UserError("expected an array of objects", f"{file.path}:1", "Wrap the rows in [ and ], or use one object a line.")


class _Text:
    """A file's text from where it has been read to, which grows as far as the next value needs."""

    def __init__(self, file: RawFile) -> None:
        self._pieces = file.pieces()
        self._text = ""
        self._position = 0
        self.line = 1

    @property
    def is_over(self) -> bool:
        """Whether nothing is left; to be asked after `skip_space`."""
        return self._position == len(self._text)

    def starts_with(self, character: str) -> bool:
        return self._text.startswith(character, self._position)

    def skip(self, num_characters: int) -> None:
        self._move(self._position + num_characters)

    def skip_space(self) -> None:
        while True:
            space = _SPACE.match(self._text, self._position)
            assert space is not None
            self._move(space.end())
            if self._position < len(self._text) or not self._grow():
                return

    def value(self, decoder: json.JSONDecoder = _STRICT) -> Any:
        """Returns the next value.

        Raises:
            ValueError: there is none, or it is longer than a row may be (`_TooLongError`).
            RecursionError: it is nested too deeply.
        """
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._position)
            except _BadConstantError:
                raise
            except ValueError as error:
                # It may only be cut, and go on in the next piece.
                if len(self._text) - self._position > MAX_LINE_BYTES:
                    if self._is_cut(error):
                        raise _TooLongError(f"the row is longer than {MAX_LINE_BYTES >> 20} MiB") from None
                    raise
                if not self._grow():
                    raise
                continue
            if end == len(self._text) and self._grow():
                continue  # a number may go on
            self._move(end)
            return value

    def skip_value(self) -> None:
        """Skips a value however deep it is nested and however long it is, a piece at a time.

        Raises:
            ValueError: it does not end, or is nested so deeply that it is made never to.
        """
        depth, is_text = 0, False
        while True:
            # Nothing is left open at a piece's end but half of an escape, which waits for the other half.
            end = self._position
            for token in _TOKEN.finditer(self._text, self._position):
                end = token.end()
                if token[0] == '"':
                    is_text = not is_text
                elif is_text or token[0][0] == "\\":
                    continue
                elif token[0] in "]}," and not depth:  # the end of what the value, a number, stands in
                    self._move(token.start())
                    return
                else:
                    depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
                    if depth > _MAX_SKIPPED_DEPTH:
                        raise ValueError("it does not end")
                if not depth and not is_text and token[0] != ",":
                    self._move(end)
                    return
            self._move(len(self._text) - (self._text.endswith("\\") and end < len(self._text)))
            if not self._grow():
                raise ValueError("it does not end")

    def read_all(self) -> "_Text":
        """Reads the rest of the file, for a value that is as long as the file."""
        self._text = "".join([self._text, *self._pieces])
        return self

    def _is_cut(self, error: ValueError) -> bool:
        """Says whether a value is wrong for no other reason than that the text read so far ends within it."""
        if not isinstance(error, json.JSONDecodeError):
            return False
        return error.msg.startswith("Unterminated string") or error.pos > len(self._text) - _LONGEST_TOKEN

    def _move(self, position: int) -> None:
        self.line += self._text.count("\n", self._position, position)
        self._position = position

    def _grow(self) -> bool:
        for piece in self._pieces:
            if piece:
                self._text = self._text[self._position :] + piece
                self._position = 0
                return True
        return False


def _elements(text: _Text, file: RawFile) -> Iterator[Record]:
    """Yields the objects of an array that is about to begin."""
    text.skip(1)
    while True:
        text.skip_space()
        if text.starts_with("]"):
            text.skip(1)
            return
        yield _next_row(text, file)


def _next_row(text: _Text, file: RawFile) -> Record:
    """Reads a value as a row; one that is JSON by its brackets but cannot be a row is rejected alone."""
    line = text.line
    try:
        value = text.value()
    except _BadConstantError as error:
        _value(text, file)
        return RejectedRow(line, "bad_json", str(error))
    except json.JSONDecodeError as error:
        raise _no_json(file, line, error.msg) from error
    except (RecursionError, ValueError) as error:  # nested too deeply, too long, or a number of thousands of digits
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        try:
            text.skip_value()
        except ValueError:
            raise _no_json(file, line, why) from None
        return RejectedRow(line, "too_long" if isinstance(error, _TooLongError) else "bad_json", why)
    if isinstance(value, dict):
        return line, value
    return RejectedRow(line, "bad_json", f"expected an object, found {type(value).__name__}")


def _is_json_lines(file: RawFile) -> bool:
    """Whether each of the first two lines that are not blank is, or was meant to be, an object of its own."""
    lines = (line for _, line in file.lines() if isinstance(line, RejectedRow) or line.strip())
    first, second = next(lines, ""), next(lines, None)
    if second is None:
        return False
    try:
        parse_object(first if isinstance(first, str) else "")
    except ValueError:
        return isinstance(first, str) and first.rstrip().endswith("}") and isinstance(second, str) and second.startswith("{")
    return True


def _object_rows(text: _Text, file: RawFile) -> Iterator[Record]:
    """Yields the rows of an object, or of several that stand one after the other over several lines each."""
    whole = _value(text.read_all(), file)
    text.skip_space()
    is_alone = text.is_over
    text = _Text(file).read_all()  # from the start: now each row's line counts
    text.skip_space()
    lists = [key for key, value in whole.items() if _is_list_of_objects(value) and key not in _OF_ONE_RECORD]
    if is_alone and (len(lists) == 1 or (lists and len(lists) == len(whole))):
        names = ", ".join(f"'{key}'" for key in lists)
        file.notices.append(f"the rows of '{file.path.name}' are the objects in the list under {names}.")
        yield from _members(text, file, lists)
    elif is_alone and len(whole) > 1 and all(isinstance(value, dict) for value in whole.values()):
        file.notices.append(f"the rows of '{file.path.name}' are the objects under its {len(whole):,} keys; the key is the column 'key'.")
        yield from _members(text, file, [])
    else:
        while not text.is_over:
            yield _next_row(text, file)
            text.skip_space()


def _members(text: _Text, file: RawFile, lists: list[str]) -> Iterator[Record]:
    """Yields the elements of some members of an object; or, where none are named, its members themselves."""
    text.skip(1)
    text.skip_space()
    while not text.starts_with("}"):
        key = _value(text, file)
        text.skip_space()
        text.skip(1)  # the colon
        text.skip_space()
        if key in lists:
            yield from _elements(text, file)
        elif lists:
            _value(text, file)
        else:
            row = _next_row(text, file)
            yield row if isinstance(row, RejectedRow) else (row[0], {"key": key, **row[1]})
        text.skip_space()


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _value(text: _Text, file: RawFile) -> Any:
    """Reads a value that is no row, NaN and Infinity allowed."""
    line = text.line
    try:
        return text.value(_LENIENT)
    except RecursionError:
        raise _no_json(file, line, "nested too deeply") from None
    except ValueError as error:
        raise _no_json(file, line, getattr(error, "msg", str(error))) from error


def _no_json(file: RawFile, line: int, cause: str) -> UserError:
    return UserError(f"not valid JSON: {cause}", f"{file.path}:{line}", "Mend the file there, or use one object a line.")
