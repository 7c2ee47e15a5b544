"""Files that no build wrote, in any format that `prep` reads: every record with its line, every unreadable one with its reason."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from loopwright.errors import UserError
from prep.lint.base.defects import Defect
from prep.lint.frame.answer_columns import AnswerColumns, NamedColumns, find_columns
from prep.lint.frame.lines import Item, read_records
from prep.lint.frame.tool_use import check_record_tools
from prep.pii.masking import shorten
from prep.sources.files import SOURCE_FORMATS, SourceFile, container_of, read_file
from prep.sources.json_paths import canonical_json
from prep.sources.raw_file import RawFile, data_suffix
from prep.sources.shapes.messages import json_of
from prep.sources.shapes.sample import Sample, type_name
from prep.sources.shapes.table import empty_keys, has_shape, read_sample
from prep.sources.source import RawRows
from prep.sources.source_config import SourceConfig
from prep.sources.strict_json import Flaw, JsonDefect, JsonRecord
from templates.form import Form

_JSON = {".jsonl", ".ndjson", ".json"}
_LOOK = 20_000  # rows: many files are sorted by their label
_LOOK_FOR_SHAPES = 2_000  # rows that are read once more where they tell no shape
_TREE_KEYS = ("message_id", "parent_id", "role", "text")
# Where a record's JSON has none of these, nothing in it calls a tool.
_TOOL_WORDS = ('"tool', '"function', '"observation"')
_REMEDY = "Give JSON Lines, a JSON array, or another file that prep reads; or build a dataset from it: prep init, then prep build."


@dataclass(frozen=True, slots=True)
class FileReading:
    """How a file that no build wrote is to be read.

    Attributes:
        columns: those of input and answer, where a person names them.
        encoding: its encoding, where no byte-order mark says it.
    """

    columns: NamedColumns = field(default_factory=NamedColumns)
    encoding: str = "utf-8"


AS_IT_IS = FileReading()


@dataclass(frozen=True, slots=True)
class Read:
    """A record that is a training example.

    Attributes:
        line: where it starts.
        canonical: its JSON, the same for all ways to write it.
        sample: what it says.
        unread: paths of the keys that nobody read.
    """

    line: int
    canonical: str
    sample: Sample
    unread: list[str] = field(default_factory=list)

    def defects(self, source: str, example_id: str) -> list[Defect]:
        """Returns what is wrong with it, for the rules that report it."""
        return [Defect(one.code, source, self.line, one.say(shorten), example_id, one.severity, one.field) for one in self.sample.problems]


def read_examples(path: Path, source: str, reading: FileReading = AS_IT_IS) -> Iterator[Read | Defect]:
    """Yields each training example of a file, and a defect for what is none.

    Where no record has a known shape, or all of them are a text beside other columns, those of input and answer are guessed by their names
    and by what they hold.

    Args:
        path: the file.
        source: what messages call it.
        reading: how it is read; what columns a person does not name is guessed.

    Raises:
        UserError: the file is missing, unreadable, or of a format that `prep` does not read, or has no such columns.
    """
    return (parsed for _, parsed in read_pairs(path, source, reading))


def read_pairs(path: Path, source: str, reading: FileReading = AS_IT_IS) -> Iterator[tuple[Item, Read | Defect]]:
    """Yields likewise what stands in the file beside each example, or beside each defect.

    Raises:
        UserError: as `read_examples`.
    """
    items = _values(path, source, SourceConfig(path=str(path), encoding=reading.encoding))
    first = list(islice(items, _LOOK))
    records = [item.value for item in first if isinstance(item, JsonRecord) and isinstance(item.value, dict)]
    columns = find_columns(records, reading.columns, source)
    for item in chain(first, items):
        yield item, parse_item(item, source, columns)


def parse_item(item: Item, source: str, columns: AnswerColumns | None = None) -> Read | Defect:
    """Returns a record as an example, or why it is none.

    Args:
        item: a record, or a defect, which stays as it is.
        source: the file's name.
        columns: those of the input and of the answer, where the records have no known shape.
    """
    if isinstance(item, Defect):
        return item
    if not isinstance(item.value, dict):
        return Defect("FMT002", source, item.line, f"expected a JSON object, found {type_name(item.value)}")
    try:
        sample = columns.sample(item.keys) if columns else read_sample(item.keys)
        if sample is None:
            shown = ", ".join(f"'{shorten(key)}'" for key in list(item.value)[:6]) or "none"
            return Defect("FMT002", source, item.line, f"no known training format has these keys: {shown}")
        canonical = canonical_json(item.value)
        identity = canonical if item.standing is None else canonical_json(item.standing)
        _note_repeated(item.defects, sample)
        sample.note_others(item.value)
        if sample.form is Form.CHAT and any(word in canonical for word in _TOOL_WORDS):
            for where, text, severity in check_record_tools(item.value):
                sample.problem(where, text, code="FMT005", severity=severity)
    except RecursionError:
        return Defect("FMT001", source, item.line, "nested too deeply")
    return Read(item.line, identity, sample, item.unread)


def _note_repeated(defects: list[JsonDefect], sample: Sample) -> None:
    """Notes each object with a duplicate key."""
    for path in dict.fromkeys(defect.path for defect in defects if defect.flaw is Flaw.REPEATED_KEY):
        sample.problem(path or None, "duplicate key in the object; the last value was read", severity="warning")


def _values(path: Path, source: str, config: SourceConfig) -> Iterator[Item]:
    if not path.is_file():
        yield from read_records(path, source)  # says what is wrong with it
        return
    if data_suffix(path) in _JSON or _is_json(path, config):
        items = read_records(path, source, config.encoding)
        first = list(islice(items, 2))
        if first and isinstance(first[0], JsonRecord) and _is_read_as_a_whole(first[0].value, alone=len(first) == 1):
            yield from _rows(path, source, config)
        else:
            yield from chain(first, items)
        return
    yield from _rows(path, source, config)


def _is_read_as_a_whole(value: Any, *, alone: bool) -> bool:
    """Whether a record says little by itself: a message of a tree, or a document that holds the rows."""
    if not isinstance(value, dict):
        return False
    return _is_of_a_tree(value) or (alone and not has_shape(value))


def _is_of_a_tree(keys: Collection[str]) -> bool:
    return all(key in keys for key in _TREE_KEYS)


def _is_json(path: Path, config: SourceConfig) -> bool:
    """Whether a file whose ending says nothing holds JSON, by its first character."""
    if any(data_suffix(path) in one.suffixes for one in SOURCE_FORMATS.entries.values()):
        return False
    try:
        return container_of(path, config).name in {"jsonl", "json"}
    except UserError:
        return True  # the strict reader says line by line why it is none


def _rows(path: Path, source: str, config: SourceConfig) -> Iterator[Item]:
    """Reads a file as a build would: by its columns, or, where those say little, by the shape that several records tell together."""
    try:
        container = container_of(path, config)
        if _tells_by_itself(container.read(RawFile(path, config))):
            batches = container.read(RawFile(path, config))
        else:
            batches = read_file(SourceFile(path, source, config, container, source)).batches
        for rows in batches:
            yield from (Defect("FMT001", source, row.line, f"{row.reason.replace('_', ' ')}: {row.detail}") for row in rows.rejected)
            standing = _standing(rows)
            for line, row in rows.records():
                record = _present(row)
                whole = {"messages": record["turns"]} if isinstance(record.get("turns"), list) else record
                yield JsonRecord(line, whole, standing=next(standing, None), texts=_texts(row))
    except UserError as error:
        raise UserError(error.cause, error.location or source, error.remedy or _REMEDY) from error


def _tells_by_itself(batches: Iterator[RawRows]) -> bool:
    """Whether any of the first records has a shape without the others' help: then a table may mix shapes, as lines may."""
    first = islice(((rows.columns, record) for rows in batches for _, record in _records(rows)), _LOOK_FOR_SHAPES)
    return any(not _is_of_a_tree(columns) and has_shape(record) for columns, record in first)


def _records(rows: RawRows) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, row in rows.records():
        yield line, _present(row)


def _standing(rows: RawRows) -> Iterator[dict[str, Any]]:
    """Yields each record as it stands in the file, where nothing but columns of its own was cleaned."""
    if rows.added.width and set(rows.added.columns) <= set(rows.frame.columns):
        yield from (record for _, record in _records(RawRows(rows.frame)))


def _texts(row: dict[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in row.items() if text is not None}


def _present(record: dict[str, str | None]) -> dict[str, Any]:
    found = {name: json_of(value) for name, value in record.items() if value is not None}
    return found | dict.fromkeys(empty_keys(found, record))
