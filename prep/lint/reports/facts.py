"""What the page tells of the data beside the findings: how many rows of each kind there are, and which rows to show.

All of it is counted in one streaming pass over the lint frame; nothing of the size of the data is held.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import polars as pl

from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.finding import Severity
from prep.lint.base.groups import SPLIT_ORDER
from prep.lint.base.report import LintReport
from prep.lint.reports.beside import LEAK_CODES, Beside, rows_beside
from prep.lint.reports.declared import Declared
from prep.lint.reports.order import worst_in_turn
from prep.lint.reports.rows import Piece, RowView, quotes, view_rows
from prep.pii import mask

BINS_PER_OCTAVE = 4
MAX_WORST_ROWS = 200
MAX_FINDINGS = 1_000
_MAX_TASKS = 6
_MAX_LABELS = 12
_MAX_SLICE_VALUES = 40
_NAME_CHARACTERS = 80
_MEASURED = ("input", "answer")
_SLICES = ("split", "source", "template", "task", "label", "group")


@dataclass(frozen=True, slots=True)
class TaskLabels:
    """The labels of one task.

    Attributes:
        task: the template, or the beginning of the system message.
        counts: label -> split -> rows, the most frequent label first.
        totals: split -> rows with any label, of which `counts` are shares.
    """

    task: str
    counts: dict[str, dict[str, int]]
    totals: dict[str, int]

    @property
    def num_others(self) -> int:
        """Rows with a label beyond those counted."""
        return sum(self.totals.values()) - sum(sum(by_split.values()) for by_split in self.counts.values())


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long one part of the rows of one split is, in characters."""

    part: str
    split: str
    bins: dict[int, int]
    median: float
    high: float
    longest: int


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows that share a value: how many in each split, and how many have an error or a warning."""

    by: str
    value: str
    rows: dict[str, int]
    num_flagged: int

    @property
    def num_rows(self) -> int:
        """Its rows in all splits."""
        return sum(self.rows.values())


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the page tells of the data.

    Attributes:
        splits: split -> rows, in the order train, validation, test.
        labels: of each task that has labels, the largest task first.
        lengths: of input and answer, by split.
        slices: by split, source, template (task, where there is none), label and group, where there are several values.
        num_slices_left_out: how many slices of fewer rows are not among them.
        beside: conflicts, duplicates and leaks.
        leaked: (code, split) -> rows that leaked.
        findings: those that are shown, the worst first, each with the text that it points at.
        worst: the rows with the worst findings.
        declared: what the config declares, beside what was found.
        name: the dataset's; None where it has none but its file's.
    """

    splits: dict[str, int]
    labels: list[TaskLabels]
    lengths: list[Lengths]
    slices: list[Slice]
    num_slices_left_out: int
    beside: Beside
    leaked: dict[tuple[str, str], int]
    findings: list[tuple[Diagnostic, tuple[Piece, ...]]]
    worst: list[RowView]
    declared: Declared
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class PageReport(LintReport):
    """The result of a lint run, with what the page tells of the data."""

    facts: PageFacts

    @classmethod
    def of(cls, report: LintReport, facts: PageFacts) -> "PageReport":
        """Returns a report with the facts of its page."""
        return cls(**{one.name: getattr(report, one.name) for one in fields(report)}, facts=facts)


def page_facts(frame: pl.LazyFrame, diagnostics: Sequence[Diagnostic], declared: Declared, name: str | None = None) -> PageFacts:
    """Counts what the page shows.

    Args:
        frame: the lint frame.
        diagnostics: the report's.
        declared: what the config declares, beside what was found.
        name: the dataset's, where it has one.
    """
    names = set(frame.collect_schema().names())
    splits = _ordered(dict(frame.group_by("split").len().collect(engine="streaming").rows()))
    rows = frame.with_columns(label=_label(names), task_name=_task_name()).join(_flagged(diagnostics), on="id", how="left")
    leaking = pl.LazyFrame(
        [(one.id, one.code) for one in diagnostics if one.code in LEAK_CODES and one.id],
        {"id": pl.String(), "code": pl.String()},
        orient="row",
    ).unique()
    queries = [
        _labels(rows, splits),
        *(_lengths(frame, part) for part in _MEASURED),
        *(_bins(frame, part) for part in _MEASURED),
        leaking.join(frame.select("id", "split"), on="id").group_by("code", "split").len(),
        *(_slices(rows, by, splits) for by in _SLICES),
    ]
    labels, *others = pl.collect_all(queries, engine="streaming")
    lengths, bins, leaked = others[:2], others[2:4], others[4]
    worst = worst_ids(diagnostics)
    views = view_rows(frame, worst, diagnostics)
    shown = worst_in_turn(diagnostics)[:MAX_FINDINGS]
    slices, left_out = _best_slices(others[5:], splits)
    return PageFacts(
        splits=splits,
        labels=_task_labels(labels, splits),
        lengths=_all_lengths(lengths, bins, splits),
        slices=slices,
        num_slices_left_out=left_out,
        beside=rows_beside(frame, diagnostics),
        leaked={(code, split): count for code, split, count in sorted(leaked.rows())},
        findings=list(zip(shown, quotes(frame, shown), strict=True)),
        worst=[views[id] for id in worst if id in views],
        declared=declared,
        name=name,
    )


def worst_ids(diagnostics: Iterable[Diagnostic]) -> list[str]:
    """Returns the ids of the rows to show: most errors first, then most warnings, then as in the files; rows with mere information are
    shown only where there are no others.
    """
    counts: dict[str, Counter[Severity]] = defaultdict(Counter)
    for one in diagnostics:
        if one.id is not None:
            counts[one.id][one.severity] += 1
    serious = {id: count for id, count in counts.items() if count[Severity.ERROR] or count[Severity.WARNING]} or counts
    ranked = sorted(serious, key=lambda id: (-serious[id][Severity.ERROR], -serious[id][Severity.WARNING]))
    return ranked[:MAX_WORST_ROWS]


def _flagged(diagnostics: Iterable[Diagnostic]) -> pl.LazyFrame:
    ids = {one.id for one in diagnostics if one.id is not None and one.severity is not Severity.INFO}
    return pl.LazyFrame({"id": sorted(ids), "flagged": [True] * len(ids)}, {"id": pl.String(), "flagged": pl.Boolean()})


def _label(names: set[str]) -> pl.Expr:
    """The answer's class: as the data gives it, or the answer itself where a task's answers are a closed set of words."""
    if "task_shape" in names:
        closed = pl.col("task_shape") == "label"
    elif "is_closed_set" in names:
        closed = pl.col("is_closed_set")
    else:
        closed = pl.lit(value=False)
    label = pl.coalesce("label", pl.when(closed).then(pl.col("answer")))
    return label.str.strip_chars().str.slice(0, _NAME_CHARACTERS)


def _task_name() -> pl.Expr:
    return pl.when(pl.col("template") != "").then("template").otherwise("system").str.slice(0, _NAME_CHARACTERS)


def _by_split(splits: Iterable[str]) -> list[pl.Expr]:
    return [(pl.col("split") == split).sum().alias(f"in {split}") for split in splits]


def _labels(rows: pl.LazyFrame, splits: Iterable[str]) -> pl.LazyFrame:
    """The most frequent labels of each task; one of many labels is as good as none."""
    counted = rows.filter(pl.col("label").is_not_null()).group_by("task", "label")
    return (
        counted.agg(pl.len().alias("rows"), pl.col("task_name").min(), *_by_split(splits))
        .with_columns(
            *(pl.col(f"in {split}").sum().over("task").alias(f"all {split}") for split in splits),
            of_task=pl.col("rows").sum().over("task"),
            place=pl.struct(-pl.col("rows").cast(pl.Int64), "label").rank("ordinal").over("task"),
        )
        .filter(pl.col("place") <= _MAX_LABELS)
        .sort("of_task", "task", "place", descending=[True, False, False])
    )


def _lengths(frame: pl.LazyFrame, part: str) -> pl.LazyFrame:
    length = pl.col(part).str.len_chars()
    return (
        frame.filter(pl.col(part) != "")
        .group_by("split")
        .agg(length.median().alias("median"), length.quantile(0.95).alias("high"), length.max().alias("longest"))
    )


def _bins(frame: pl.LazyFrame, part: str) -> pl.LazyFrame:
    bins = (pl.col(part).str.len_chars().log(2) * BINS_PER_OCTAVE + 1e-9).floor().cast(pl.Int64)
    return frame.filter(pl.col(part) != "").group_by("split", bins.alias("bin")).len()


def _slices(rows: pl.LazyFrame, by: str, splits: Iterable[str]) -> pl.LazyFrame:
    value = pl.col(by)
    if by == "task":
        value = pl.when(pl.col("template") == "").then("task_name")
    counted = rows.with_columns(value=value.str.slice(0, _NAME_CHARACTERS)).filter(pl.col("value") != "").group_by("value")
    return (
        counted.agg(pl.len().alias("rows"), pl.col("flagged").sum(), *_by_split(splits))
        .with_columns(num_values=pl.len(), by=pl.lit(by))
        .sort("rows", "value", descending=[True, False])
        .head(_MAX_SLICE_VALUES)
    )


def _ordered(splits: Mapping[str, int]) -> dict[str, int]:
    return {split: splits[split] for split in sorted(splits, key=lambda split: (SPLIT_ORDER.get(split, math.inf), split))}


def _task_labels(labels: pl.DataFrame, splits: Iterable[str]) -> list[TaskLabels]:
    tasks: dict[str, TaskLabels] = {}
    for row in labels.iter_rows(named=True):
        task = tasks.get(row["task"])
        if task is None:
            if len(tasks) == _MAX_TASKS:
                break
            task = tasks[row["task"]] = TaskLabels(mask(row["task_name"]), {}, {split: row[f"all {split}"] for split in splits})
        task.counts[mask(row["label"]) or "(empty)"] = {split: row[f"in {split}"] for split in splits}
    return list(tasks.values())


def _all_lengths(numbers: Sequence[pl.DataFrame], bins: Sequence[pl.DataFrame], splits: Iterable[str]) -> list[Lengths]:
    lengths = []
    for part, frame, counts in zip(_MEASURED, numbers, bins, strict=True):
        by_split = {split: rest for split, *rest in frame.rows()}
        for split in splits:
            if split in by_split:
                of_split = {place: count for one, place, count in counts.rows() if one == split}
                median, high, longest = by_split[split]
                lengths.append(Lengths(part, split, of_split, median, high, longest))
    return lengths


def _best_slices(counted: Iterable[pl.DataFrame], splits: Iterable[str]) -> tuple[list[Slice], int]:
    """Returns the slices with the most rows of each kind, and how many are left out; one value alone is no slice."""
    slices, left_out = [], 0
    for frame in counted:
        if frame.height < 2:
            continue
        left_out += frame["num_values"][0] - frame.height
        for row in frame.iter_rows(named=True):
            in_splits = {split: row[f"in {split}"] for split in splits}
            slices.append(Slice(row["by"], mask(row["value"]), in_splits, row["flagged"]))
    return slices, left_out
