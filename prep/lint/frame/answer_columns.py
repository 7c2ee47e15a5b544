"""Which columns of a file are its input and its answer, where its keys do not tell: as a person names them, else by names and content."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from loopwright.errors import UserError, did_you_mean
from prep.infer.columns import ANSWER_NAMES, LABEL_NAMES, Column, invent_names, look_at, named
from prep.sources.shapes.plain_text import PlainText
from prep.sources.shapes.sample import Sample
from prep.sources.shapes.table import shape_of
from prep.sources.strict_json import Keys
from templates.form import Form

_NUMBERED = re.compile(r"column_\d+")
_TEXT = "text"


@dataclass(frozen=True, slots=True)
class NamedColumns:
    """The columns that a person names.

    Attributes:
        inputs: of the input; empty where they are to be guessed.
        answer: of the answer; None where it is to be guessed.
    """

    inputs: tuple[str, ...] = ()
    answer: str | None = None

    def __bool__(self) -> bool:
        return bool(self.inputs) or self.answer is not None


@dataclass(frozen=True, slots=True)
class AnswerColumns:
    """The columns that are read as the input, in their order, and as the answer."""

    inputs: tuple[str, ...]
    answer: str

    def sample(self, record: Keys) -> Sample:
        """Returns what a record says."""
        sample = Sample(Form.VERBALIZER, input_field=" + ".join(self.inputs), answer_field=self.answer)
        sample.input = "\n".join(sample.text(name, record[name]) for name in self.inputs if record[name] is not None)
        found = record[self.answer]
        if found is None:
            sample.problem(self.answer, f"the answer column '{self.answer}' is missing")
        else:
            sample.answer = sample.text(self.answer, found)
        return sample


def find_columns(records: Sequence[dict[str, Any]], given: NamedColumns, source: str) -> AnswerColumns | None:
    """Returns the columns of input and answer; None where the records are read by the shapes that their keys tell.

    Args:
        records: the first of the file.
        given: what a person names.
        source: the file's name.

    Raises:
        UserError: no record has a column that is named, or nothing tells the other one.
    """
    if not records:
        return None
    if given:
        return _as_named(records, given, source)
    shapes = [shape_of(record) for record in records]
    if not any(shapes):
        return _guess(_columns(records))
    if all(shape is None or isinstance(shape, PlainText) for shape in shapes):
        # What stands beside a text may be anything: a label alone is taken for its answer, and where there is none the text is learned.
        label = next(iter(_labels([column for column in _columns(records) if column.name != _TEXT])), None)
        return AnswerColumns((_TEXT,), label.name) if label is not None and label.is_filled else None
    return None


def _as_named(records: Sequence[dict[str, Any]], given: NamedColumns, source: str) -> AnswerColumns:
    known = list(dict.fromkeys(str(name) for record in records for name in record))
    for name, option in (*((name, "--input") for name in given.inputs), (given.answer, "--answer")):
        if name is not None and name not in known:
            raise UserError(f"no record has the column '{name}'", f"{source}: {option}", did_you_mean(name, known))
    columns = _columns(records)
    answer = given.answer
    if answer is None:
        found = _answer([column for column in columns if column.name not in given.inputs])
        if found is None:
            raise UserError("no column looks like an answer", source, "Name it: --answer COLUMN.")
        answer = found.name
    inputs = given.inputs or tuple(column.name for column in columns if column.name != answer and _is_input(column))
    if not inputs:
        raise UserError("no column looks like an input", source, "Name it: --input COLUMN.")
    return AnswerColumns(inputs, answer)


def _columns(records: Sequence[dict[str, Any]]) -> list[Column]:
    texts = [{str(name): None if isinstance(value, dict | list) else str(value) for name, value in one.items()} for one in records]
    frame = pl.DataFrame(texts, infer_schema_length=None)
    return [column for column in look_at(frame, frame.columns) if not column.unusable()]


def _guess(columns: Sequence[Column]) -> AnswerColumns | None:
    """Returns the columns of input and answer, by names and content; None where they do not tell."""
    answer = _answer(columns)
    if answer is None:
        return None
    inputs = tuple(column.name for column in columns if column is not answer and _is_input(column))
    return AnswerColumns(inputs, answer.name) if inputs else None


def _answer(columns: Sequence[Column]) -> Column | None:
    shown = columns
    if all(_NUMBERED.fullmatch(column.name) for column in columns):  # a table without a header
        shown = [replace(column, name=name) for column, name in zip(columns, invent_names(columns), strict=True)]
    labels = _labels(shown)
    by_name = [column for column in named(shown, [*LABEL_NAMES, *ANSWER_NAMES]) if column in labels or column.is_text]
    found = next((column for column in [*by_name, *labels] if not column.is_about_row), None)
    return None if found is None else columns[shown.index(found)]


def _labels(columns: Sequence[Column]) -> list[Column]:
    """Returns the columns that hold labels: those whose name says so first, and words before numbers."""
    labels = [column for column in columns if column.is_label]
    by_name = named(labels, LABEL_NAMES)
    return by_name + sorted((column for column in labels if column not in by_name), key=lambda column: column.holds_numbers)


def _is_input(column: Column) -> bool:
    return column.is_text and not column.sorts_rows and not column.is_id and column.mean_words > 1
