"""The examples that `evals score` reads: those of a built dataset, or of any training file, under the ids that lint gives them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from evals.data.rows import EvalRow, to_rows
from prep.dataset.manifest import Dataset
from prep.dataset.messages import messages_of
from prep.lint.frame.examples import load_dataset, load_files
from templates.chat import Message
from templates.form import JUDGED, Form

_CHUNK_ROWS = 2_000
_COLUMNS = (
    "position",
    "id",
    "row_id",
    "source",
    "line",
    "split",
    "task",
    "form",
    "is_closed_set",
    "label",
    "system",
    "input",
    "answer",
    "messages",
    "extras",
)
# An answer word that comes back less often is a slip of the pen rather than a class.
_MIN_CLASS_ROWS = 2


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One example to be scored.

    Attributes:
        id: the id that lint gives it.
        task: rows of one task share the words around their questions.
        row: the example; None where it has no answer in words. One with free text has its answer as the only choice.
        choosing: whether its choices are the task's classes.
    """

    id: str
    task: str
    row: EvalRow | None
    choosing: bool


def read_chunks(path: Path, form: Form | None) -> Iterator[list[ScoreRow]]:
    """Yields the examples of a dataset folder or a training file, some thousands at a time.

    Args:
        path: what `prep lint` takes.
        form: the form in which a training file without messages is scored; default: chat.

    Raises:
        UserError: it cannot be read.
    """
    with TemporaryDirectory(prefix="loopwright-score-") as name:
        folder = Path(name)
        dataset = Dataset.open(path) if path.is_dir() else None
        data = load_dataset(path, folder) if dataset else load_files([(path, "train")], folder)
        classes = _classes(data.frame)
        for chunk in data.frame.sort("position").select(_COLUMNS).collect_batches(chunk_size=_CHUNK_ROWS, maintain_order=True):
            known = _of_dataset(dataset, chunk["position"]) if dataset else {}
            yield [_row(record, known, classes, form) for record in chunk.iter_rows(named=True)]


def _classes(frame: pl.LazyFrame) -> dict[str, list[str]]:
    """Returns the answer words of each task whose answers come from a fixed set, the most frequent spelling of each."""
    key = pl.col("answer").str.strip_chars().str.to_lowercase()
    counted = (
        frame.filter("is_closed_set", pl.col("label").is_null(), key != "", ~pl.col("form").is_in(JUDGED))
        .group_by("task", "answer", key=key)
        .agg(pl.len().alias("rows"))
        .sort("rows", "answer", descending=[True, False])
        .group_by("task", "key", maintain_order=True)
        .agg(pl.col("answer").first(), pl.col("rows").sum())
        .filter(pl.col("rows") >= _MIN_CLASS_ROWS)
        .sort("task", "key")
        .group_by("task", maintain_order=True)
        .agg("answer")
        .collect(engine="streaming")
    )
    return {row["task"]: row["answer"] for row in counted.iter_rows(named=True) if len(row["answer"]) > 1}


def _of_dataset(dataset: Dataset, positions: pl.Series) -> dict[str, EvalRow]:
    frame = dataset.examples().slice(positions[0], positions[-1] - positions[0] + 1).collect(engine="streaming")
    return {row.id: row for row in to_rows(dataset, frame)}


def _row(record: Mapping[str, Any], known: Mapping[str, EvalRow], classes: Mapping[str, list[str]], form: Form | None) -> ScoreRow:
    row = known.get(record["id"])
    if row is not None and row.choices is not None and row.label is not None:
        return ScoreRow(row.id, record["task"], row, choosing=True)
    if not record["answer"]:
        return ScoreRow(record["id"], record["task"], None, choosing=False)
    row = _foreign(record, form)
    words = classes.get(record["task"], [])
    key = record["answer"].strip().lower()
    label = next((index for index, word in enumerate(words) if word.strip().lower() == key), None)
    if label is None:
        return ScoreRow(row.id, record["task"], _answering(row, [record["answer"]], 0), choosing=False)
    return ScoreRow(row.id, record["task"], _answering(row, words, label), choosing=True)


def _answering(row: EvalRow, choices: list[str], label: int) -> EvalRow:
    """Returns a row that is answered by one of its choices, spelled as the choice is."""
    messages: list[Message] | None = [*row.messages[:-1], {**row.messages[-1], "content": choices[label]}] if row.messages else None
    return replace(row, choices=choices, label=label, messages=messages, target=None if messages else choices[label])


def _foreign(record: Mapping[str, Any], form: Form | None) -> EvalRow:
    """Makes a row of a lint-frame row: a chat where it is one or can be put as one, else a prompt and what follows it."""
    messages: list[Message] | None = None
    tools = None
    if record["messages"]:
        found = messages_of(record)
        messages, tools = found.said(), found.tools
        if messages[-1]["role"] != "assistant":  # the prompt of a pair in a training file, whose answers stand apart
            messages = [*messages, {"role": "assistant", "content": record["answer"]}]
    elif form != Form.VERBALIZER and record["input"]:
        system: list[Message] = [{"role": "system", "content": record["system"]}] if record["system"] else []
        messages = [*system, {"role": "user", "content": record["input"]}, {"role": "assistant", "content": record["answer"]}]
    before = "\n".join(text for text in (record["system"], record["input"]) if text)
    return EvalRow(
        id=record["id"],
        row_id=record["row_id"],
        source=record["source"],
        line=record["line"],
        group=None,
        split=record["split"],
        template="",
        label=None,
        choices=None,
        messages=messages,
        prompt=None if messages else before,
        target=None if messages else record["answer"],
        tools=tools,
    )
