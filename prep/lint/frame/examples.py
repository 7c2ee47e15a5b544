"""The lint frame: every example as a row with the columns that rules ask for, from a built dataset or from foreign files."""

import gc
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from loopwright.errors import UserError
from loopwright.files import read_json_lines, require_file
from loopwright.hashing import hash_text
from prep.build.write import INTENDED_DROPS
from prep.dataset.canaries import is_canary
from prep.dataset.manifest import Dataset, Manifest, has_form
from prep.dataset.messages import whole_column
from prep.dataset.schema import MESSAGES
from prep.lint.base.defects import Defect
from prep.lint.base.note import Note, NoteKind
from prep.lint.frame.calls import with_spoken_calls
from prep.lint.frame.columns import add_columns
from prep.lint.frame.fast_lines import PlainShape, plain_blocks, read_plain
from prep.lint.frame.fields_read import FieldsRead
from prep.lint.frame.foreign import AS_IT_IS, FileReading, Read, parse_item, read_examples
from prep.lint.frame.integrity import require_integrity
from prep.lint.frame.lines import block_records
from prep.lint.frame.turns import last_turn_field, turn_columns
from prep.lint.frame.unread_note import unread_note
from prep.sources.unread import Unread
from templates.form import Form

T = TypeVar("T")

_BATCH_ROWS = 20_000
# Pairs first: what else such an example has is then no question with one right answer.
_LOOKED_AT = (Form.PREFERENCE, Form.UNPAIRED, Form.CHAT, Form.VERBALIZER, Form.COMPLETION)
_ITEM = "item"

LINT_SCHEMA = pl.Schema(
    {
        "id": pl.String(),
        "row_id": pl.String(),
        "source": pl.String(),
        "line": pl.Int64(),
        "split": pl.String(),
        "group": pl.String(),
        "template": pl.String(),
        "form": pl.String(),  # the form as which the row is looked at, one of those that it has
        "task": pl.String(),  # what tells this row's task from others: its template, else its system message or instruction
        "label": pl.String(),  # the answer's class, where choices are given
        "system": pl.String(),
        "input": pl.String(),  # all that comes before the answer, without the system message
        "answer": pl.String(),  # null where there is none
        "rejected": pl.String(),
        "system_field": pl.String(),  # the record's field of each; for a message, the list's name
        "input_field": pl.String(),
        "answer_field": pl.String(),
        "rejected_field": pl.String(),
        "messages": MESSAGES,
        "weights": pl.List(pl.String()),  # each message's weight as JSON, where any has one
        "fields": pl.String(),  # what the record has beside these, as a JSON object: a built dataset's mapped fields; null where nothing
        "extras": pl.String(),  # of a built dataset's chat: what it has beside role and content, as `EXAMPLE_SCHEMA` keeps it
    }
)
"""What a reader gives; `prepare` adds to it."""


@dataclass(frozen=True, slots=True)
class LintData:
    """What is linted.

    Attributes:
        frame: the lint frame.
        defects: what was found wrong while reading.
        num_examples: the frame's rows.
        splits: the splits that have rows.
        manifest: of a built dataset.
        unread: of foreign files, the keys that nobody read.
        notes: what there is to know of how it was read.
    """

    frame: pl.LazyFrame
    defects: list[Defect]
    num_examples: int
    splits: frozenset[str]
    manifest: Manifest | None = None
    unread: Unread = field(default_factory=Unread)
    notes: list[Note] = field(default_factory=list)


def load_dataset(path: Path, folder: Path) -> LintData:
    """Opens a built dataset for lint.

    Raises:
        UserError: it is none, or damaged.
    """
    dataset = Dataset.open(path)
    try:
        examples = dataset.examples()
        require_integrity(examples, dataset.manifest, path)
        if dataset.manifest.canaries is not None:
            examples = examples.filter(~is_canary())
        frame = with_spoken_calls(examples).select(_dataset_columns())
    except pl.exceptions.PolarsError as error:  # its columns are right, and their content is not
        raise UserError("examples.parquet is damaged", str(path), "Build the dataset again.") from error
    note = unread_note(dataset.manifest.unread, "To use a key, name its column as an input of a template, and build again.")
    notes = [one for one in (note, _canary_note(dataset.manifest)) if one is not None]
    return replace(_lint_data(frame, _dropped(path), folder, dataset.manifest), notes=notes)


def _canary_note(manifest: Manifest) -> Note | None:
    """Returns that canaries are no rows of anybody: they are alike, near each other and full of numbers, because they were made so."""
    if manifest.canaries is None:
        return None
    message = f"{manifest.canaries.count:,} canaries, made-up secrets that the build planted in train because its config says so"
    return Note(NoteKind.CANARIES, message)


def load_files(
    files: list[tuple[Path, str]], folder: Path, names: Mapping[Path, str] | None = None, reading: FileReading = AS_IT_IS
) -> LintData:
    """Reads foreign training files.

    Args:
        files: each file with the split of its rows.
        folder: an empty folder for what is read; the frame scans it.
        names: file -> what its rows' `source` is, where that is not its path.
        reading: how they are read.

    Raises:
        UserError: a file is missing, unreadable, or holds nothing.
    """
    defects: list[Defect] = []
    copies: Counter[str] = Counter()
    unread = Unread()
    notes: list[Note] = []
    batches: list[Path] = []
    for path, split in files:
        require_file(path)
        before = len(batches), len(defects)
        source = (names or {}).get(path, str(path))
        fields = FieldsRead()
        for batch in _FileReader(path, source, split, reading, defects, copies, unread).frames():
            fields.count(batch)
            batches.append(folder / f"read-{len(batches):05d}.parquet")
            batch.write_parquet(batches[-1])
        if before == (len(batches), len(defects)):
            raise UserError("the file holds no rows", source, "Give a file with one training example per line.")
        if note := fields.note(source if len(files) > 1 else None):
            notes.append(note)
    if note := unread_note(unread.as_manifest(), "Training does not see it: prep init writes a config that can use it."):
        notes.append(note)
    frame = pl.scan_parquet(batches, glob=False) if batches else pl.LazyFrame(schema=LINT_SCHEMA)
    return replace(_lint_data(frame, defects, folder, None), unread=unread, notes=notes)


@dataclass(frozen=True, slots=True)
class _FileReader:
    """Reads one foreign file.

    Attributes:
        path: the file.
        source: what its rows and messages call it.
        split: the split of its rows.
        reading: how it is read.
        defects: what is wrong with it is added to these.
        copies: how often each row id came so far, in this file and those before it.
        unread: the keys that nobody read are added to these.
    """

    path: Path
    source: str
    split: str
    reading: FileReading
    defects: list[Defect]
    copies: Counter[str]
    unread: Unread

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yields the file's examples, in its order."""
        source = self.source
        plain = None if self.reading.columns else plain_blocks(self.path, self.reading.encoding)
        if plain is None:
            items = read_examples(self.path, source, self.reading)
            while batch := _uncollected(islice(items, _BATCH_ROWS)):
                yield from self._numbered(batch, pl.DataFrame(schema=LINT_SCHEMA))
            return
        shape, blocks = plain
        for block in blocks:
            rows, others = read_plain(block, shape, self.split)
            careful = _uncollected(parse_item(item, source) for item in block_records(block, source, frozenset(others))) if others else []
            yield from self._numbered(careful, _plain_rows(rows, shape, self.split, source))

    def _numbered(self, items: list[Read | Defect], plain: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yields the rows that were read one by one and those that were read by columns as one frame, with their ids."""
        self.defects.extend(item for item in items if isinstance(item, Defect))
        read = [item for item in items if not isinstance(item, Defect)]
        found = Unread()
        for one in read:
            found.note(one.unread, one.line)
        self.unread.add(found, self.source)
        # Of the row's content and its file's part, not of its path or place: ids hold when the file is moved or put in order.
        rows = [_row(one, hash_text(self.split, one.canonical), self.source, self.split) for one in read]
        careful = pl.DataFrame(rows, schema=LINT_SCHEMA).with_row_index(_ITEM)  # by number: one line may hold a whole array
        frame = pl.concat([plain, careful], how="diagonal").sort("line", maintain_order=True)
        ids = []
        for row_id, number in frame.select("row_id", _ITEM).iter_rows():
            self.copies[row_id] += 1
            ids.append(row_id if self.copies[row_id] == 1 else f"{row_id}-{self.copies[row_id]}")
            if number is not None:
                self.defects.extend(read[number].defects(self.source, ids[-1]))
        if ids:
            yield frame.drop(_ITEM).with_columns(pl.Series("id", ids, pl.String), pl.Series("row_id", ids, pl.String))


def _uncollected(items: Iterable[T]) -> list[T]:
    """Returns what is read as a list, without looking for cycles meanwhile: records make none, and a look walks all of the batch."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return list(items)
    finally:
        if was_enabled:
            gc.enable()


def _plain_rows(rows: pl.DataFrame, shape: PlainShape, split: str, source: str) -> pl.DataFrame:
    """Completes rows that were read by columns to `LINT_SCHEMA`, as `_row` does for a record."""
    if shape.is_chat:
        is_answered = pl.col("answer").is_not_null()
        fields = {"system_field": pl.lit("messages"), "input_field": pl.lit("messages"), "rejected_field": pl.lit("rejected")}
        last = last_turn_field(pl.col("messages"))
        fields["answer_field"] = pl.when(is_answered).then(last).otherwise(pl.lit("answer"))
    else:
        prompt, completion = shape.pair
        fields = {"system_field": pl.lit("system"), "input_field": pl.lit(prompt), "rejected_field": pl.lit("rejected")}
        fields["answer_field"] = pl.lit(completion)
    known = rows.with_columns(
        source=pl.lit(source),
        split=pl.lit(split),
        template=pl.lit(""),
        form=pl.lit(Form.CHAT if shape.is_chat else Form.VERBALIZER),
        id=pl.col("row_id"),
        **fields,
    )
    return known.select(
        pl.col(name).cast(dtype) if name in known.columns else pl.lit(None, dtype).alias(name) for name, dtype in LINT_SCHEMA.items()
    )


def _row(read: Read, row_id: str, source: str, split: str) -> dict[str, Any]:
    record = read.sample
    return {
        "id": row_id,
        "row_id": row_id,
        "source": source,
        "line": read.line,
        "split": split,
        "group": None,
        "template": "",
        "form": record.form,
        "task": hash_text(record.form, record.task),
        "label": record.label,
        "system": record.system,
        "input": record.input,
        "answer": record.answer,
        "rejected": record.rejected,
        "system_field": record.system_field,
        "input_field": record.input_field,
        "answer_field": record.answer_field,
        "rejected_field": record.rejected_field,
        "messages": record.messages,
        "weights": record.weights,
        "fields": record.others,
        "extras": None,
    }


def _dataset_columns() -> list[pl.Expr | str]:
    """Derives the lint frame from `EXAMPLE_SCHEMA`. An example of several forms is looked at as one of them: the first of `_LOOKED_AT`."""
    is_pair = pl.col("chosen").is_not_null()
    turns = whole_column(pl.col("spoken"))
    chat = turn_columns(turns)
    # An answer that nobody wants is one to avoid, as the other one of a pair is.
    is_unwanted = (~pl.col("wanted")).fill_null(False)
    choice = pl.when(pl.col("label") >= 0).then(pl.col("choices").list.get(pl.col("label"), null_on_oob=True))
    weights = pl.col("extras").map_batches(_weights, return_dtype=pl.List(pl.String), is_elementwise=True)
    answer_field = (
        pl.when(is_pair)
        .then(pl.lit("chosen"))
        .when(turns.is_not_null())
        .then(last_turn_field(turns))
        .when(pl.col("target").is_not_null())
        .then(pl.lit("target"))
        .otherwise(pl.lit("text"))
    )
    return [
        *(pl.col(name) for name in ("id", "row_id", "source", "line", "split", "group", "template")),
        pl.coalesce(pl.when(has_form(form)).then(pl.lit(form)) for form in _LOOKED_AT).alias("form"),
        pl.col("template").alias("task"),
        choice.alias("label"),
        chat.system.fill_null("").alias("system"),
        pl.coalesce(chat.input, pl.col("prompt"), pl.lit("")).alias("input"),
        pl.when(is_unwanted)
        .then(None)
        .when(turns.is_not_null())
        .then(chat.answer)
        .otherwise(pl.coalesce("target", "text"))
        .alias("answer"),
        pl.when(is_unwanted).then(chat.answer).otherwise(pl.col("rejected").list.last().struct.field("content")).alias("rejected"),
        pl.lit("messages").alias("system_field"),
        pl.when(turns.is_null()).then(pl.lit("prompt")).otherwise(pl.lit("messages")).alias("input_field"),
        answer_field.alias("answer_field"),
        pl.when(is_unwanted).then(answer_field).otherwise(pl.lit("rejected")).alias("rejected_field"),
        pl.when(is_pair).then(turns).otherwise("messages").alias("messages"),
        # A weight a message, and a pair's answer is one of them here.
        pl.when(is_pair)
        .then(pl.concat_list(weights, pl.col("chosen").list.eval(pl.lit(None, pl.String))))
        .otherwise(weights)
        .alias("weights"),
        "fields",
        "extras",
    ]


def _weights(extras: pl.Series) -> pl.Series:
    """Returns each message's weight as JSON, of the chats in which any has one."""
    found: list[list[str | None] | None] = []
    for text in extras:
        # Few rows have extras, and fewer weights: the others are not parsed.
        beside = (json.loads(text).get("messages") or []) if text and '"weight":' in text else []
        weights = [None if not one or "weight" not in one else json.dumps(one["weight"]) for one in beside]
        found.append(weights if any(weights) else None)
    return pl.Series(extras.name, found, pl.List(pl.String))


def _dropped(path: Path) -> list[Defect]:
    """Reads what the build dropped. Those rows are out of the dataset already, so that none of them is an error any more."""
    dropped = path / "dropped.jsonl"
    if not dropped.is_file():
        return []
    defects = []
    for entry in read_json_lines(dropped):
        reason = str(entry.get("reason"))
        if reason in INTENDED_DROPS:  # the build left those out because it was told to
            continue
        code = "CON204" if reason == "unknown_label" else "FMT001"
        severity = "info" if reason == "empty_row" else "warning"
        detail = f"{reason.replace('_', ' ')}: {entry.get('detail') or 'no detail'}"
        line, row_id = entry.get("line"), entry.get("id")
        known = line if isinstance(line, int) else None, row_id if isinstance(row_id, str) else None
        defects.append(Defect(code, str(entry.get("source")), known[0], f"dropped by the build: {detail}", known[1], severity))
    return defects


def _lint_data(frame: pl.LazyFrame, defects: list[Defect], folder: Path, manifest: Manifest | None) -> LintData:
    frame = add_columns(frame, folder)
    facts = frame.select(pl.col("split").unique().implode(), pl.len().alias("rows")).collect(engine="streaming").row(0, named=True)
    return LintData(frame, defects, facts["rows"], frozenset(facts["split"]), manifest)
