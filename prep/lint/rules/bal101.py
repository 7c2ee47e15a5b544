"""BAL101 ClassImbalance."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from prep.lint.context import Context
from prep.lint.expectations import DeclaredShare, State
from prep.lint.label_variants import MAX_LABEL_CHARACTERS, find_variants, label_word
from prep.lint.rebalance import plan_labels
from prep.lint.rule import Finding, Rule, Severity, Threshold
from prep.lint.rules.con204 import VerbalizerDrift
from prep.lint.statistics import chi_square_even, evenness
from prep.lint.texts import of_template

_MAX_CLASSES = 100


class ClassImbalance(Rule):
    """Label shares far from even, or outside of what the config expects.

    ## What it does
    Counts the labels of each task with a fixed set of answers, in train alone where the config resamples that; other spellings of a label
    count as the label, and stray words are left out (CON204 reports both). Where the config declares
    `lint: {expect: {label_share: {negative: [0.4, 0.6]}}}` it reports each label whose share lies outside for certain (95% Wilson
    interval). Elsewhere it reports tasks whose Shannon evenness is low while a chi-square test rules out chance.

    ## Why is this bad
    A model that always says the frequent label already scores its share, and training finds that way first; rare labels are not
    learned.

    ## Example
    31 of 46 notes are `neutral`, 5 are `negative`.

    ## Fix safety
    A share is no row's own, so that the fix ledger has no entry for it. For a built dataset the remedy is the piece of config that evens
    the labels out in train, `resample: {...}`, with the rows that it leaves or renders. It is unsafe, as it changes what is learned, and
    so for you to put in: over-sampling where no row is rendered more than four times (Muennighoff et al. 2023), else leaving rows out.
    New rows of the rare labels teach more than either.
    """

    code = "BAL101"
    severity = Severity.WARNING
    columns = ("task", "template", "source", "split", "is_closed_set", "label", "answer", "kind", "fields")
    remedy = "Add rows of the rare labels, or declare what is expected: lint: {expect: {label_share: {LABEL: [low, high]}}}."
    thresholds = (
        Threshold("evenness", 0.8, "Pielou's J (1966); 0.8 is 76:24 for two labels, where saying the frequent one always scores 0.76"),
        Threshold("min_rows", 30, "the usual rule for a chi-square test: at least five rows expected a label, for up to six labels"),
        Threshold("p", 0.01, "the level at which chance is ruled out"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return count_labels(examples)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for task in _task_counts(found, context):
            expected = _declared_shares(task, context)
            messages = map(_unexpected, expected) if expected else self._uneven(task.counts, context)
            for message in filter(None, messages):
                plan = plan_labels(task.template, task.train, task.fields, expected, context.manifest) if task.is_pure else None
                remedy = plan and f"Put {plan}; or a{self.remedy[1:]}"
                yield Finding(of_template(task.template) + message, source=task.source, field="label", remedy=remedy)

    def _uneven(self, counts: dict[str, int], context: Context) -> Iterable[str]:
        num_rows = sum(counts.values())
        if num_rows < context.threshold(self, "min_rows") or not 2 <= len(counts) <= _MAX_CLASSES:
            return
        even = evenness(list(counts.values()))
        if even < context.threshold(self, "evenness") and chi_square_even(list(counts.values())).p < context.threshold(self, "p"):
            (top, top_count), (rare, rare_count) = max(counts.items(), key=_count), min(counts.items(), key=_count)
            yield (
                f"labels are uneven: '{top}' has {top_count / num_rows:.0%} of {num_rows:,} rows, '{rare}' has {rare_count / num_rows:.0%}"
                f" (Shannon evenness {even:.2f} of 1)"
            )


@dataclass(frozen=True, slots=True)
class _TaskCounts:
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
    """
    word = label_word()
    is_label = pl.col("label").is_not_null() | (word.str.len_chars() <= MAX_LABEL_CHARACTERS)
    return (
        examples.filter(pl.col("is_closed_set") & (pl.col("kind") != "preference") & is_label & (word != ""))
        .group_by("task", "template", word=word)
        .agg(
            pl.len().alias("count"),
            (pl.col("split") == "train").sum().alias("train"),
            pl.col("label").is_not_null().all().alias("given"),
            pl.col("source").unique().alias("sources"),
            pl.col("fields").first(),
        )
    )


def declared_shares(counted: pl.DataFrame, context: Context) -> Iterator[DeclaredShare]:
    """Holds declared shares of labels against what `count_labels` counted, for each task that has such labels."""
    for task in _task_counts(counted, context):
        yield from _declared_shares(task, context)


def _task_counts(counted: pl.DataFrame, context: Context) -> Iterator[_TaskCounts]:
    # The splits are drawn by lot, so that all rows say more; but resampling changes train alone.
    column = "train" if context.manifest is not None and context.manifest.config.get("resample") else "count"
    tasks: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in counted.filter(pl.col(column) > 0).sort(column, "word", descending=[True, False]).iter_rows(named=True):
        tasks[row["task"], row["template"]].append(row)
    for (_, template), labels in sorted(tasks.items()):
        counts = {row["word"]: row[column] for row in labels}
        if not all(row["given"] for row in labels):
            counts = _without_drift(counts, context)
        sources = {source for row in labels for source in row["sources"]}
        source = sources.pop() if len(sources) == 1 else None
        train, fields = ({row["word"]: row[name] for row in labels} for name in ("train", "fields"))
        yield _TaskCounts(template, counts, source, train, fields)


def _declared_shares(task: _TaskCounts, context: Context) -> list[DeclaredShare]:
    expected = _expected_words(task.template, context)
    if not expected.keys() & task.counts.keys():
        return []
    total = sum(task.counts.values())
    return [DeclaredShare(label, task.counts.get(label, 0), total, *bounds, task.template) for label, bounds in expected.items()]


def _unexpected(one: DeclaredShare) -> str | None:
    if one.state is State.MET:
        return None
    bounds = f"{one.lowest:.0%} to {one.highest:.0%}"
    return f"'{one.name}' makes up {one.share:.1%} of {one.total:,} rows, outside of the expected {bounds}"


def _without_drift(counts: dict[str, int], context: Context) -> dict[str, int]:
    """Returns the counts of a set's own words: other spellings are counted with the word, strangers not at all."""
    kept = dict(counts)
    for drift in find_variants(counts, VerbalizerDrift().limits(context)):
        count = kept.pop(drift.word)
        if drift.meant in kept:
            kept[drift.meant] += count
    return kept


def _expected_words(template: str, context: Context) -> dict[str, tuple[float, float]]:
    """Returns the declared shares of a template's labels by the verbalizer's word; a config names a label by its key or its word."""
    declared = context.options.expect.label_share
    if context.manifest is None or not template:
        return declared
    words = context.manifest.template(template).trained_words
    return {words.get(name, name): share for name, share in declared.items() if name in {*words, *words.values()}}


def _count(item: tuple[str, int]) -> int:
    return item[1]
