"""Which rows of the lint frame are labelled, and with what: answers from a fixed set of words, and fields of JSON answers that have one."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prep.lint.base.context import Context
from prep.lint.detectors.label_errors.label_noise import Labels
from templates.form import JUDGED

MIN_ROWS = 100
"""Fewer rows than this teach a baseline too little to doubt a label."""
_MIN_LABEL_ROWS = 5
_MAX_LABELS = 150
_MAX_TASKS = 50
_MAX_FIELDS = 4
_MAX_DEPTH = 4
_MAX_WORD = 60
_COVERED = 0.85
_CHUNK_ROWS = 20_000
# Of a long input its beginning and end, which usually hold the question.
_HEAD, _TAIL = 2_000, 1_000

COLUMNS = ("task", "task_rows", "task_shape", "is_closed_set", "form", "label", "answer", "input_body", "input_key")
"""What is read of the lint frame, beside `id` and `position`."""


@dataclass(frozen=True, slots=True)
class LabelledTask:
    """The labelled rows of one task.

    Attributes:
        task: the task's key.
        field: the field of the JSON answers that is the label; None where the answer is.
        ids: [N], in the order of reading.
        positions: [N], ascending.
        keys: hash of each normalised input, [N].
        names: the labels, [K], as most rows spell them.
        given: index of each row's label, [N].
    """

    task: str
    field: str | None
    ids: pl.Series
    positions: pl.Series
    keys: pl.Series
    names: list[str]
    given: Labels

    def __len__(self) -> int:
        return len(self.ids)

    def bodies(self, examples: pl.LazyFrame, rows: NDArray[np.bool_] | None = None) -> Iterator[list[str]]:
        """Yields the inputs of the task's rows (of those that `rows` [N] marks) in their order, some thousands at a time."""
        wanted = self.positions if rows is None else self.positions.filter(pl.Series(rows))
        body = pl.col("input_body")
        cut = (
            pl.when(body.str.len_chars() > _HEAD + _TAIL)
            .then(pl.concat_str(body.str.head(_HEAD), pl.lit(" "), body.str.tail(_TAIL)))
            .otherwise(body)
        )
        query = (
            examples.filter(pl.col("task") == self.task)
            .select("position", cut.fill_null(""))
            .join(wanted.to_frame("position").lazy(), on="position", how="semi")
            .sort("position")
            .select("input_body")
        )
        for chunk in query.collect_batches(chunk_size=_CHUNK_ROWS, maintain_order=True, engine="streaming"):
            yield chunk["input_body"].to_list()


def labelled_tasks(examples: pl.LazyFrame, context: Context) -> list[LabelledTask]:
    """Returns the tasks whose rows have labels to doubt: at least `MIN_ROWS` of them, and two labels that come back.

    Args:
        examples: the lint frame with `COLUMNS`, `id` and `position`.
        context: the run, which holds them for the next rule that asks.
    """
    return context.once(_find_tasks, examples)


def _find_tasks(examples: pl.LazyFrame) -> list[LabelledTask]:
    found = []
    answered = ~pl.col("form").is_in(JUDGED) & (pl.col("task") != "") & (pl.col("answer").str.strip_chars() != "")
    wanted = (
        answered
        & (pl.col("task_rows") >= MIN_ROWS)
        & (pl.col("is_closed_set") | (pl.col("task_shape") == "json"))
        & (pl.col("input_body") != "")
    )
    tasks = (
        examples.filter(wanted).group_by("task").agg(pl.len().alias("rows"), pl.col("is_closed_set").first()).collect(engine="streaming")
    )
    for task in tasks.filter(pl.col("rows") >= MIN_ROWS).sort("rows", "task", descending=True).head(_MAX_TASKS).iter_rows(named=True):
        said = pl.coalesce("label", "answer") if task["is_closed_set"] else pl.col("answer")
        rows = examples.filter(wanted & (pl.col("task") == task["task"])).select("id", "position", "input_key", said=said)
        frame = rows.collect(engine="streaming").sort("position")
        for field, words in [(None, frame["said"])] if task["is_closed_set"] else _json_fields(frame["said"]):
            labelled = _labelled(task["task"], field, frame.with_columns(said=words))
            if labelled is not None:
                found.append(labelled)
    return found


def _labelled(task: str, field: str | None, frame: pl.DataFrame) -> LabelledTask | None:
    """Makes a task of rows and their words; rows whose word hardly ever comes back are left to the rules about spelling."""
    key = pl.col("said").str.strip_chars(" \t\n.!\"'").str.to_lowercase()
    frame = frame.with_columns(key=key).filter(pl.col("key") != "")
    counts = (
        frame.group_by("key")
        .agg(pl.len().alias("rows"), pl.col("said").str.strip_chars().mode().sort().first())
        .filter((pl.col("rows") >= _MIN_LABEL_ROWS) & (pl.col("said").str.len_chars() <= _MAX_WORD))
        .sort("key")
    )
    covered = counts["rows"].sum()
    if not 2 <= counts.height <= _MAX_LABELS or covered < max(MIN_ROWS, _COVERED * frame.height):
        return None
    index = {key: place for place, key in enumerate(counts["key"])}
    kept = frame.filter(pl.col("key").is_in(counts["key"].implode()))
    given = kept["key"].replace_strict(index, return_dtype=pl.Int64).to_numpy()
    keys = kept["input_key"].fill_null(kept["id"])
    return LabelledTask(task, field, kept["id"], kept["position"], keys, counts["said"].to_list(), given)


def _json_fields(answers: pl.Series) -> list[tuple[str, pl.Series]]:
    """Returns the fields of JSON answers that hold words of a fixed set, with each row's word; null where a row has none."""
    values: dict[str, list[str | None]] = {}
    for row, answer in enumerate(answers):
        for name, word in _scalars(answer):
            values.setdefault(name, []).extend([None] * (row - len(values.get(name, []))))
            values[name].append(word)
    found = []
    for name, words in values.items():
        series = pl.Series(name, [*words, *[None] * (len(answers) - len(words))], dtype=pl.String)
        num_words = series.drop_nulls().n_unique()
        if 2 <= num_words <= max(2 * _MAX_LABELS, 2) and series.count() >= _COVERED * len(answers):
            found.append((name, series))
    return found[:_MAX_FIELDS]


def _scalars(answer: str) -> Sequence[tuple[str, str]]:
    try:
        value: Any = json.loads(answer)
    except (ValueError, RecursionError):
        return []
    return list(_leaves("", value, 0)) if isinstance(value, dict) else []


def _leaves(path: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    """Yields the words of an object with their paths, such as `request.intent`; those of its lists have no place of their own."""
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}" if path else str(name), inner, depth + 1)
    elif isinstance(value, bool):
        yield path, json.dumps(value)
    elif isinstance(value, str) and 0 < len(value) <= _MAX_WORD:
        yield path, value
