"""JSON: an array of objects, or an object that holds the rows."""

from collections.abc import Iterable, Iterator
from typing import Any

from loopwright.errors import UserError
from prep.sources.containers.jsonl import JsonLines, parse_object
from prep.sources.json_text import JsonText, read_array
from prep.sources.raw_file import RawFile, RejectedRow
from prep.sources.source import Record, RecordSource
from prep.sources.strict_json import Decoder, Flaw, JsonRecord, NoJsonError

# A list under one of these is a part of one record, not the rows of a file.
_OF_ONE_RECORD = frozenset({"messages", "conversations", "conversation", "turns", "dialogue", "dialog", "tools", "choices", "spans"})


class JsonArray(RecordSource):
    """An array of objects; or one object: with the rows in a list under one of its keys, or with a row under each key.

    In the last case the key becomes the column `key`. A file of several objects is taken for JSON Lines, whatever its name.
    """

    name = "json"
    suffixes = (".json",)

    def records(self, file: RawFile) -> Iterator[Record]:
        """Reads an array element by element, so that each row knows its line and a file of any size fits; an object in one piece."""
        text = JsonText(file)
        text.skip_space()
        if text.starts_with("["):
            yield from _rows(read_array(text, Decoder()), file)
            text.skip_space()
            if not text.is_over:
                raise UserError("something follows the array", f"{file.path}:{text.line}", "Keep one array, or use one object a line.")
        elif text.starts_with("{") and _is_json_lines(file):
            yield from JsonLines().records(file)
        elif text.starts_with("{"):
            yield from _object_rows(text, file)
        else:
            raise UserError("expected an array of objects", f"{file.path}:1", "Wrap the rows in [ and ], or use one object a line.")


def _rows(records: Iterable[JsonRecord], file: RawFile) -> Iterator[Record]:
    """Yields values as rows; one that is JSON by its brackets but cannot be a row is rejected alone."""
    for record in records:
        if record.error is None and isinstance(record.value, dict):
            yield record.line, record.value
        elif record.error is None:
            yield RejectedRow(record.line, "bad_json", f"expected an object, found {type(record.value).__name__}")
        elif record.error.flaw in {Flaw.SYNTAX, Flaw.UNCLOSED}:
            raise _no_json(file, record.line, record.error.cause)
        else:
            yield RejectedRow(record.line, "too_long" if record.error.flaw is Flaw.TOO_LONG else "bad_json", record.error.cause)


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


def _object_rows(text: JsonText, file: RawFile) -> Iterator[Record]:
    """Yields the rows of an object, or of several that stand one after the other over several lines each."""
    whole = _value(text.read_all(), file)
    text.skip_space()
    is_alone = text.is_over
    text = JsonText(file).read_all()  # from the start: now each row's line counts
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
            yield from _rows([text.record(Decoder())], file)
            text.skip_space()


def _members(text: JsonText, file: RawFile, lists: list[str]) -> Iterator[Record]:
    """Yields the elements of some members of an object; or, where none are named, its members themselves."""
    text.skip(1)
    text.skip_space()
    while not text.starts_with("}"):
        key = _value(text, file)
        text.skip_space()
        text.skip(1)  # the colon
        text.skip_space()
        if key in lists:
            yield from _rows(read_array(text, Decoder()), file)
        elif lists:
            _value(text, file)
        else:
            for row in _rows([text.record(Decoder())], file):
                yield row if isinstance(row, RejectedRow) else (row[0], {"key": key, **row[1]})
        text.skip_space()


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _value(text: JsonText, file: RawFile) -> Any:
    """Reads a value that is no row, NaN and Infinity allowed."""
    line = text.line
    try:
        return text.lenient_value()
    except NoJsonError as error:
        raise _no_json(file, line, error.defect.cause) from error


def _no_json(file: RawFile, line: int, cause: str) -> UserError:
    return UserError(f"not valid JSON: {cause}", f"{file.path}:{line}", "Mend the file there, or use one object a line.")
