"""Files that were made elsewhere, in any format that `prep` reads: every record with its line, every unreadable one with its reason."""

import json
import re
from collections.abc import Collection, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.errors import UserError
from prep.formats import SOURCE_FORMATS, SourceFile, container_of, read_file
from prep.guess_columns import ANSWER_NAMES, LABEL_NAMES, Column, invent_names, look_at, named
from prep.lint.defects import Defect
from prep.lint.lines import canonical_json, read_records
from prep.lint.records import Record, empty_keys, parse_record
from prep.lint.tool_use import check_record_tools
from prep.raw_file import RawFile, data_suffix
from prep.source import LINE, RawRows
from prep.source_config import SourceConfig

_JSON = {".jsonl", ".ndjson", ".json"}
_LOOK = 2_000
_NUMBERED = re.compile(r"column_\d+")
_TREE_KEYS = ("message_id", "parent_id", "role", "text")
# Where a record's JSON has none of these, nothing in it calls a tool.
_TOOL_WORDS = ('"tool', '"function', '"observation"')
_REMEDY = "Give JSON Lines, a JSON array, or another file that prep reads; or build a dataset from it: prep init, then prep build."

Item = tuple[int, Any] | Defect


def read_examples(path: Path, source: str) -> Iterator[tuple[int, str, Record] | Defect]:
    """Yields (line, canonical JSON, record) for each training example of a file, and a defect for what is none.

    Where no record has a known shape, two of its columns are taken for input and answer by their names and by what they hold.

    Raises:
        UserError: the file is missing, unreadable, or of a format that `prep` does not read.
    """
    items = _values(path, source)
    first = list(islice(items, _LOOK))
    records = [item[1] for item in first if isinstance(item, tuple) and isinstance(item[1], dict)]
    columns = _guess(records) if records and all(isinstance(parse_record(record), str) for record in records) else None
    for item in chain(first, items):
        yield parse_item(item, source, columns)


def parse_item(item: Item, source: str, columns: tuple[list[str], str] | None = None) -> tuple[int, str, Record] | Defect:
    """Returns (line, canonical JSON, record) for a value that was read, or why it is no training example.

    Args:
        item: (line, value), or a defect, which stays as it is.
        source: the file's name.
        columns: those of the input and of the answer, where the records have no known shape.
    """
    if isinstance(item, Defect):
        return item
    line, value = item
    try:
        record = _of_columns(value, *columns) if columns and isinstance(value, dict) else parse_record(value)
        canonical = canonical_json(value)
        if isinstance(record, Record):
            record.note_others(value)
            if record.kind == "chat" and any(word in canonical for word in _TOOL_WORDS):
                for where, text, severity in check_record_tools(value):
                    record.problem(where, text, code="FMT005", severity=severity)
    except RecursionError:
        return Defect("FMT001", source, line, "nested too deeply")
    return Defect("FMT002", source, line, record) if isinstance(record, str) else (line, canonical, record)


def _values(path: Path, source: str) -> Iterator[Item]:
    if not path.is_file():
        yield from read_records(path, source)  # says what is wrong with it
        return
    if data_suffix(path) in _JSON or _is_json(path):
        items = read_records(path, source)
        first = list(islice(items, 2))
        if first and isinstance(first[0], tuple) and _is_read_as_a_whole(first[0][1], alone=len(first) == 1):
            yield from _rows(path, source)
        else:
            yield from chain(first, items)
        return
    yield from _rows(path, source)


def _is_read_as_a_whole(value: Any, *, alone: bool) -> bool:
    """Whether a record says little by itself: a message of a tree, or a document that holds the rows."""
    if not isinstance(value, dict):
        return False
    return _is_of_a_tree(value) or (alone and isinstance(parse_record(value), str))


def _is_of_a_tree(keys: Collection[str]) -> bool:
    return all(key in keys for key in _TREE_KEYS)


def _is_json(path: Path) -> bool:
    """Whether a file whose ending says nothing holds JSON, by its first character."""
    if any(data_suffix(path) in one.suffixes for one in SOURCE_FORMATS.entries.values()):
        return False
    try:
        return container_of(path, SourceConfig(path=str(path))).name in {"jsonl", "json"}
    except UserError:
        return True  # the strict reader says line by line why it is none


def _rows(path: Path, source: str) -> Iterator[Item]:
    """Reads a file as a build would: by its columns, or, where those say little, by the shape that several records tell together."""
    config = SourceConfig(path=str(path))
    try:
        container = container_of(path, config)
        if _tells_by_itself(container.read(RawFile(path, config))):
            batches = container.read(RawFile(path, config))
        else:
            batches = read_file(SourceFile(path, source, config, container, source)).batches
        for rows in batches:
            yield from (Defect("FMT001", source, row.line, f"{row.reason.replace('_', ' ')}: {row.detail}") for row in rows.rejected)
            for line, record in _records(rows):
                yield line, {"messages": record["turns"]} if isinstance(record.get("turns"), list) else record
    except UserError as error:
        raise UserError(error.cause, error.location or source, error.remedy or _REMEDY) from error


def _tells_by_itself(batches: Iterator[RawRows]) -> bool:
    """Whether any of the first records has a shape without the others' help: then a table may mix shapes, as lines may."""
    first = islice(((rows.columns, record) for rows in batches for _, record in _records(rows)), _LOOK)
    return any(not _is_of_a_tree(columns) and isinstance(parse_record(record), Record) for columns, record in first)


def _records(rows: RawRows) -> Iterator[tuple[int, dict[str, Any]]]:
    frame = rows.frame.drop(rows.added.columns, strict=False).hstack(rows.added)
    for row in frame.iter_rows(named=True):  # not by `select`, which takes a column called "*" or "^a$" for a pattern
        line = row.pop(LINE)
        yield line, _present(row)


def _present(record: dict[str, str | None]) -> dict[str, Any]:
    found = {name: _decoded(value) for name, value in record.items() if value is not None}
    return found | dict.fromkeys(empty_keys(found, record))


def _decoded(text: str | None) -> Any:
    """Returns what a column's text stands for: lists and objects are held as their JSON."""
    if text and text[0] in "[{":
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _guess(records: list[dict[str, Any]]) -> tuple[list[str], str] | None:
    """Returns the columns of the input and the column of the answer, by names and content; None where they do not tell."""
    texts = [{str(name): None if isinstance(value, dict | list) else str(value) for name, value in one.items()} for one in records]
    frame = pl.DataFrame(texts, infer_schema_length=None)
    looked_at = look_at(frame, frame.columns)
    if all(_NUMBERED.fullmatch(column.name) for column in looked_at):  # a table without a header
        names = dict(zip(invent_names(looked_at), frame.columns, strict=True))
    else:
        names = {name: name for name in frame.columns}
    columns = [column for column in look_at(frame.rename({old: new for new, old in names.items()}), list(names)) if not column.unusable()]
    answers = [*named(columns, [*LABEL_NAMES, *ANSWER_NAMES]), *(column for column in columns if column.is_label)]
    answer = next((column for column in answers if column.is_label or column.is_text), None)
    if answer is None:
        return None
    inputs = [column for column in columns if column is not answer and _is_input(column)]
    return ([names[column.name] for column in inputs], names[answer.name]) if inputs else None


def _is_input(column: Column) -> bool:
    return column.is_text and not column.is_label and not column.is_id and column.mean_words > 1


def _of_columns(value: dict[str, Any], inputs: list[str], answer: str) -> Record:
    record = Record("verbalizer", input_field=" + ".join(inputs), answer_field=answer)
    record.input = "\n".join(str(value[name]) for name in inputs if value.get(name) is not None)
    found = value.get(answer)
    record.answer = None if found is None else str(found)
    if found is None:
        record.problem(answer, f"'{answer}', which the other rows answer with, is missing")
    return record
