"""The two sides of a drift report: what a model is trained on, and new rows, each a bounded sample of distinct texts."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.errors import UserError, did_you_mean
from prep.dataset.canaries import is_canary
from prep.dataset.manifest import Dataset
from prep.dataset.messages import messages_of
from prep.sources.files import find_files
from prep.sources.rows import META_COLUMNS, ROW_ID, SOURCE, iter_rows
from prep.sources.source import LINE
from prep.sources.source_config import SourceConfig
from prep.text.normalise import normalise, number_column

# Of each side; a larger sample shows smaller shifts, and takes longer.
MAX_TEXTS = 5_000
_SEED = 17
_LOOK = 200
_CHAT_COLUMNS = ("messages", "conversations")
_SAME_KIND = ("encoding", "delimiter", "columns", "unit", "sheet", "turns", "speakers")
_ANSWERING = {"assistant", "gpt", "bot", "model", "system", "developer", "tool", "function"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One side.

    Attributes:
        texts: what the model is shown, one a distinct text after normalisation.
        labels: the label's key beside each, None where it has none.
        places: `file:line` of each.
        num_rows: rows that the side has.
        num_looked_at: rows that were drawn of them; those that repeat a text are left out.
    """

    texts: list[str]
    labels: list[str | None]
    places: list[str]
    num_rows: int
    num_looked_at: int


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a dataset's templates show the model.

    Attributes:
        fields: the fields that make the text.
        label_field: the field that holds the label, where there is one.
        keys: the verbalizer's keys of that field.
    """

    fields: list[str]
    label_field: str | None
    keys: list[str]


def find_inputs(dataset: Dataset, split: str) -> Inputs:
    """Tells the fields that the model is shown from those that it is to answer, by where their values stand in examples.

    Raises:
        UserError: the split has no example.
    """
    rows = dataset.examples(split).filter(~is_canary()).head(_LOOK).collect().to_dicts()
    if not rows:
        raise UserError(f"the split '{split}' has no example", str(dataset.path), "Choose another --split.")
    first = rows[0]["template"]
    rows = [row for row in rows if row["template"] == first]
    fields = [json.loads(row["fields"]) for row in rows]
    names = list(dict.fromkeys(name for one in fields for name in one))
    keys = list(dataset.manifest.template(first).verbalizer)
    labelled = [(one, row["label"]) for one, row in zip(fields, rows, strict=True) if row["label"] is not None]
    label_field = next((name for name in names if labelled and all(one.get(name) == keys[label] for one, label in labelled)), None)
    shown = [_shown(row) for row in rows]
    candidates = [name for name in names if name != label_field]
    found = [name for name in candidates if _stands_in([one.get(name) for one in fields], shown)]
    return Inputs(found or candidates[:1], label_field, keys)


def _shown(row: dict[str, Any]) -> str:
    """Returns what an example shows before its last answer."""
    if row["prompt"] is not None:
        return str(row["prompt"])
    found = messages_of(row)
    # A text beside them holds the answer as well.
    return "\n".join(message["content"] or "" for message in found.asked) if found.whole else str(row["text"] or "")


def _stands_in(values: Sequence[str | None], shown: Sequence[str]) -> bool:
    given = [(_turn_texts(value) or [value], text) for value, text in zip(values, shown, strict=True) if value and value.strip()]
    held = sum(any(part.strip() in text for part in parts) for parts, text in given)
    return 2 * held > len(given) > 0


def known_sample(dataset: Dataset, split: str, inputs: Inputs) -> Sample:
    """Draws rows of a split by a hash of their id: the same ones each time, and mostly the same ones after rows were added."""
    examples = dataset.examples(split).filter(~is_canary())
    rows = examples.select("row_id", "source", "line", "fields").unique("row_id", keep="any")
    num_rows = examples.select(pl.col("row_id").n_unique()).collect(engine="streaming").item()
    ids = rows.select("row_id", drawn=number_column(pl.col("row_id"), _SEED)).bottom_k(MAX_TEXTS, by="drawn")
    drawn = rows.join(ids, on="row_id").sort("drawn", "row_id").collect(engine="streaming")
    fields = [json.loads(one) for one in drawn["fields"]]
    texts = (_join(one.get(name) for name in inputs.fields) for one in fields)
    labels = (one.get(inputs.label_field) if inputs.label_field else None for one in fields)
    places = (f"{source}:{line}" for source, line in drawn.select("source", "line").iter_rows())
    return _distinct(texts, labels, places, num_rows)


@dataclass(frozen=True, slots=True)
class NewRows:
    """Where the new rows are, and which of their columns to look at.

    Attributes:
        path: any file that a source of a build could be.
        format: a source format by name, or `auto`.
        text: the columns that hold the text; none to take those that the dataset's own were read from.
        label: the column that holds the label; None to take that of the dataset, where the file has it.
        encoding: the file's text encoding; None to take that of the dataset's own files of its kind.
    """

    path: Path
    format: str = "auto"
    text: tuple[str, ...] = ()
    label: str | None = None
    encoding: str | None = None


def new_sample(new: NewRows, dataset: Dataset, inputs: Inputs) -> Sample:
    """Reads the new rows and draws a sample of them.

    Raises:
        UserError: the file cannot be read, or has no column for the text.
    """
    if not new.path.exists():
        raise UserError("the file does not exist", str(new.path), "Give a file with new rows, such as a log of requests in JSON Lines.")
    frame, num_rows = _read(new, dataset)
    if frame.is_empty():
        raise UserError("the file has no row that can be read", str(new.path), "Check its format, or name it with --format.")
    columns = [name for name in frame.columns if name not in META_COLUMNS]
    text_columns = _text_columns(new, dataset, inputs, columns)
    label_column = _label_column(new, dataset, inputs, columns)
    mapping = dataset.manifest.config.get("labels") or {}
    texts = (_join(row) for row in frame.select(text_columns).iter_rows())
    labels: list[str | None] = [None] * frame.height
    if label_column is not None:
        given = [mapping.get(value, value) if value else None for value in frame[label_column].cast(pl.String)]
        # A column that happens to have the name and none of the labels is another one, unless somebody said that it is not.
        labels = given if new.label is not None or set(inputs.keys).intersection(given) else labels
    places = (f"{source}:{line}" for source, line in frame.select(SOURCE, LINE).iter_rows())
    return _distinct(texts, labels, places, num_rows)


def _read(new: NewRows, dataset: Dataset) -> tuple[pl.DataFrame, int]:
    """Returns the rows with the smallest hashes of their ids, and how many rows there are."""
    path = new.path.resolve()
    sources: list[dict[str, Any]] = dataset.manifest.config["sources"]
    # A file of the same kind as the dataset's own is read as that one was.
    alike: dict[str, Any] = next((one for one in sources if Path(one["path"] or "").suffixes == path.suffixes), {})
    options = {key: alike[key] for key in _SAME_KIND if alike.get(key) and alike[key] != SourceConfig.model_fields[key].default}
    if new.encoding is not None:
        options["encoding"] = new.encoding
    source = SourceConfig.model_validate({**options, "path": str(path), "format": new.format, "name": new.path.name})
    frame = pl.DataFrame()
    num_rows = 0
    for batch in iter_rows(find_files((source,), path.parent, str(new.path))):
        num_rows += batch.frame.height
        drawn = batch.frame.with_columns(number_column(pl.col(ROW_ID), _SEED).alias("#drawn"))
        both = pl.concat([frame, drawn], how="diagonal") if frame.height else drawn
        frame = both.bottom_k(MAX_TEXTS, by=["#drawn", LINE])
    return frame.sort("#drawn", LINE).drop("#drawn") if frame.height else frame, num_rows


def _columns_of(field: str, dataset: Dataset) -> list[str]:
    """Returns the columns that a field may stand in: those that the sources read it from, and one of its own name."""
    mapped = [one["fields"][field] for one in dataset.manifest.config["sources"] if field in (one.get("fields") or {})]
    return [*mapped, field]


def _text_columns(new: NewRows, dataset: Dataset, inputs: Inputs, columns: list[str]) -> list[str]:
    for name in new.text:
        if name not in columns:
            raise UserError(f"the new rows have no column '{name}'", str(new.path), did_you_mean(name, columns))
    if new.text:
        return list(new.text)
    found = [column for field in inputs.fields if (column := next((one for one in _columns_of(field, dataset) if one in columns), None))]
    if found:
        return found
    chats = [name for name in _CHAT_COLUMNS if name in columns]
    if chats or len(columns) == 1:
        return chats[:1] or columns
    fields = ", ".join(f"'{name}'" for name in inputs.fields)
    remedy = f"Name the column that holds the text with --text; it has: {', '.join(columns)}."
    raise UserError(f"the new rows have no column for the dataset's {fields}", str(new.path), remedy)


def _label_column(new: NewRows, dataset: Dataset, inputs: Inputs, columns: list[str]) -> str | None:
    if new.label is not None:
        if new.label not in columns:
            raise UserError(f"the new rows have no column '{new.label}'", str(new.path), did_you_mean(new.label, columns))
        if inputs.label_field is None:
            raise UserError("the dataset has no label to compare with", str(dataset.path), "Leave --label out.")
        return new.label
    return next((one for one in _columns_of(inputs.label_field, dataset) if one in columns), None) if inputs.label_field else None


def _join(values: Iterable[str | None]) -> str:
    """Returns the text of some fields; of a chat, what its users say; of any other list of turns, all that is said."""
    parts: list[str] = []
    for value in values:
        if value is not None:
            parts += _turn_texts(value) or [value]
    return "\n".join(parts)


def _turn_texts(value: str | None) -> list[str]:
    if value is None or not value.startswith("[{"):
        return []
    try:
        turns = json.loads(value)
    except ValueError:
        return []
    said = [(str(_first(turn, "role", "from", "speaker")).lower(), _first(turn, "content", "value", "text")) for turn in turns]
    texts = [(speaker, text) for speaker, text in said if isinstance(text, str) and text.strip()]
    is_chat = any("content" in turn or "value" in turn for turn in turns)
    return [text for speaker, text in texts if not (is_chat and speaker in _ANSWERING)]


def _first(turn: dict[str, Any], *keys: str) -> Any:
    return next((turn[key] for key in keys if turn.get(key) is not None), None)


def _distinct(texts: Iterable[str], labels: Iterable[str | None], places: Iterable[str], num_rows: int) -> Sample:
    """Keeps the first of the rows that say the same: a message that is sent a hundred times is no hundred observations."""
    seen: set[str] = set()
    kept: list[tuple[str, str | None, str]] = []
    num_looked_at = 0
    for text, label, place in zip(texts, labels, places, strict=True):
        num_looked_at += 1
        key = normalise(text)
        if key and key not in seen:
            seen.add(key)
            kept.append((text, label, place))
    return Sample([text for text, *_ in kept], [label for _, label, _ in kept], [place for *_, place in kept], num_rows, num_looked_at)
