"""How many rows each label has, task by task, and the shares that are declared of them."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from prep.lint.base.context import Context
from prep.lint.detectors.expectations import DeclaredShare
from prep.lint.detectors.label_variants import MAX_LABEL_CHARACTERS, find_variants, label_word, variant_limits
from templates.form import JUDGED, Form

WANTED, UNWANTED = "wanted", "unwanted"


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """The rows of a task's labels.

    Attributes:
        template: the task's.
        counts: the rows of each label that are looked at.
        source: the file of all of them, where it is one.
        train: the train rows of each word.
        fields: the mapped fields of one row of each word, as JSON; null for a foreign file.
    """

    template: str
    counts: dict[str, int]
    source: str | None
    train: dict[str, int]
    fields: dict[str, str | None]

    @property
    def is_pure(self) -> bool:
        """Whether each word is a label, none a stray one."""
        return self.counts.keys() == self.fields.keys()


def count_labels(examples: pl.LazyFrame) -> pl.LazyFrame:
    """Returns `task`, `template`, `word`, `count` of each label of tasks with a fixed set, in `train` as well; whether it is `given`, the
    `sources`, and the mapped `fields` of one row.

    Of answers that are judged by themselves the labels are `wanted` and `unwanted`.
    """
    is_judged_alone = pl.col("form") == Form.UNPAIRED
    judged = pl.when(pl.col("rejected").is_null()).then(pl.lit(WANTED)).otherwise(pl.lit(UNWANTED))
    word = pl.when(is_judged_alone).then(judged).otherwise(label_word())
    is_given = pl.col("label").is_not_null() | is_judged_alone
    is_label = is_given | (word.str.len_chars() <= MAX_LABEL_CHARACTERS)
    return (
        examples.filter(((pl.col("is_closed_set") & ~pl.col("form").is_in(JUDGED)) | is_judged_alone) & is_label & (word != ""))
        .group_by("task", "template", word=word)
        .agg(
            pl.len().alias("count"),
            (pl.col("split") == "train").sum().alias("train"),
            is_given.all().alias("given"),
            pl.col("source").unique().alias("sources"),
            pl.col("fields").first(),
        )
    )


def declared_shares(counted: pl.DataFrame, context: Context) -> Iterator[DeclaredShare]:
    """Holds declared shares of labels against what `count_labels` counted, for each task that has such labels."""
    for task in label_counts(counted, context):
        yield from shares_of_task(task, context)


def label_counts(counted: pl.DataFrame, context: Context) -> Iterator[LabelCounts]:
    """Yields the labels of each task, from what `count_labels` counted."""
    # The splits are drawn by lot, so that all rows say more; but resampling changes train alone.
    column = "train" if context.manifest is not None and context.manifest.config.get("resample") else "count"
    tasks: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in counted.filter(pl.col(column) > 0).sort(column, "word", descending=[True, False]).iter_rows(named=True):
        tasks[row["task"], row["template"]].append(row)
    for (_, template), labels in sorted(tasks.items()):
        counts = {row["word"]: row[column] for row in labels}
        if not all(row["given"] for row in labels):
            counts = _without_variants(counts, context)
        sources = {source for row in labels for source in row["sources"]}
        source = sources.pop() if len(sources) == 1 else None
        train, fields = ({row["word"]: row[name] for row in labels} for name in ("train", "fields"))
        yield LabelCounts(template, counts, source, train, fields)


def shares_of_task(task: LabelCounts, context: Context) -> list[DeclaredShare]:
    """Holds declared shares of labels against those of one task; none where it has no such label."""
    expected = _expected_words(task.template, context)
    if not expected.keys() & task.counts.keys():
        return []
    total = sum(task.counts.values())
    return [DeclaredShare(label, task.counts.get(label, 0), total, *bounds, task.template) for label, bounds in expected.items()]


def _without_variants(counts: dict[str, int], context: Context) -> dict[str, int]:
    """Returns the counts of a set's own words: other spellings are counted with the word, strangers not at all."""
    kept = dict(counts)
    for drift in find_variants(counts, variant_limits(context)):
        count = kept.pop(drift.word)
        if drift.meant in kept:
            kept[drift.meant] += count
    return kept


def _expected_words(template: str, context: Context) -> dict[str, tuple[float, float]]:
    """Returns the declared shares of a template's labels by the verbalizer's word; a config names a label by its key or its word."""
    declared = context.expect.label_share
    if context.manifest is None or not template:
        return declared
    of_template = context.manifest.template(template)
    words = {word: word for word in (WANTED, UNWANTED)} if Form.UNPAIRED in of_template.forms else of_template.trained_words
    return {words.get(name, name): share for name, share in declared.items() if name in {*words, *words.values()}}
