"""LEN604 LengthOutlier."""

from collections.abc import Iterable
from itertools import pairwise
from math import exp
from math import log as log_of

import polars as pl

from prep.config import LengthOf
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.statistics import robust_deviation
from prep.lint.frame.tasks import MIN_TASK_ROWS
from templates.form import Form

_PARTS: dict[LengthOf, str] = {"input": "input_body", "answer": "answer"}
_NORMAL_95 = 1.645
_SMALLEST_SPREAD = 0.1
_FEW = 0.05
_USUAL = pl.Schema({"task": pl.String(), **dict.fromkeys(("median", "spread", "low", "high", "below"), pl.Float64())})


class LengthOutlier(Rule):
    """An input or an answer of quite another length than the others of its task, or outside of what is declared.

    ## What it does
    Takes the logarithm of each length in characters and says how many robust standard deviations it lies above its task's median. The
    deviation is the larger of that by the median absolute deviation and that by the 95th percentile, since dialogues and general
    instruction data have long tails of their own. Where a tail is so long that no deviation tells, texts count that are five times as
    long as the 95th percentile, and the few texts that a wide gap parts from all others. Texts that are as far below the median are
    information: a short question is a question.

    Where the config declares `lint: {expect: {lengths: {answer: [20, 600]}}}` (`input` or `answer`), each text outside is reported
    instead, whatever the others are like.

    ## Why is this bad
    One row of fifty times the usual length costs as much as fifty, pads its whole batch, and is often several rows run together.

    ## Example
    A review of 2,600 characters among reviews of 50.

    ## Fix safety
    Never fixed automatically: what is to be cut is for a person to say.
    """

    code = "LEN604"
    severity = Severity.WARNING
    columns = ("task", "task_rows", "form", "input_body", "answer", "input_field", "answer_field")
    remedy = "Split or cut the row, or declare what is expected: lint: {expect: {lengths: {answer: [LEAST, MOST]}}}."
    superseded_by = ("LEN603",)
    thresholds = (
        Threshold("z", 3.5, "Iglewicz and Hoaglin (1993)"),
        Threshold(
            "ratio", 9, "to the median; the longest of 1,000 restaurant reviews is 3 times the median, of 3,000 bank questions 9 times"
        ),
        Threshold("tail", 5, "to the 95th percentile; the longest of 1,201 doctor's dialogues, a heavy tail, is 4.7 times"),
        Threshold(
            "gap", 2.25, "to the next shorter text; the longest of those dialogues is 1.9 times the next, of 1,241 human chats 2.1 times"
        ),
        Threshold("characters", 400, "about 80 words; a shorter text is no burden, whatever the others are"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        declared = context.expect.lengths
        found = []
        for part, column in _PARTS.items():
            texts = examples.filter(pl.col(column).is_not_null() & (pl.lit(part == "answer") | (pl.col("form") != Form.COMPLETION))).select(
                "position", "task", "task_rows", characters=pl.col(column).str.len_chars()
            )
            bounds = declared.get(part)
            odd = self._far(texts, context) if bounds is None else texts.filter(~pl.col("characters").is_between(*bounds))
            places = examples.select(*Finding.where, "position", part=pl.lit(part), field=f"{part}_field")
            found.append(places.join(odd, on="position", how="inner"))
        return pl.concat(found, how="diagonal_relaxed")

    def _far(self, texts: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        """Returns the texts that are many times longer or shorter than the median, with what is known of their task."""
        known = texts.filter((pl.col("task") != "") & (pl.col("task_rows") >= MIN_TASK_ROWS) & (pl.col("characters") > 0))
        far = log_of(context.threshold(self, "ratio"))
        # What is usual is told from how often each length occurs: the texts' lengths themselves are not held.
        lengths = known.group_by("task", "characters").len("rows")
        usual = lengths.map_batches(
            lambda counts: _usual(counts, far), schema=_USUAL, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False
        )
        log, median = pl.col("log"), pl.col("median")
        up, down = (
            pl.max_horizontal("spread", side / _NORMAL_95, pl.lit(_SMALLEST_SPREAD))
            for side in (pl.col("high") - median, median - pl.col("low"))
        )
        z = pl.when(log > median).then((log - median) / up).otherwise((log - median) / down)
        return (
            known.join(usual, on="task", how="inner")
            .with_columns(log=pl.col("characters").log())
            .with_columns(z=z)
            .filter((log - median >= far) | ((median - log >= far) & (-z >= context.threshold(self, "z"))))
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for part, bounds in context.expect.lengths.items():
            for row in found.filter(pl.col("part") == part).iter_rows(named=True):
                message = f"the {part} has {row['characters']:,} characters, outside of the declared {bounds[0]:,} to {bounds[1]:,}"
                yield Finding.at(row, message, field=row["field"])
        if "z" in found.columns:
            for rows in found.filter(pl.col("z").is_not_null()).partition_by("part", "task"):
                yield from self._outliers(rows, context)

    def _outliers(self, rows: pl.DataFrame, context: Context) -> Iterable[Finding]:
        apart = self._above_gap(rows, context)
        longest = rows["high"][0] + log_of(context.threshold(self, "tail"))
        least = log_of(context.threshold(self, "characters"))
        for row in rows.iter_rows(named=True):
            beyond = row["z"] >= context.threshold(self, "z") or row["log"] >= min(apart, longest)
            if row["z"] < 0 or (beyond and row["log"] >= least):
                yield Finding.at(
                    row,
                    f"the {row['part']} has {row['characters']:,} characters, and the median of its task {exp(row['median']):,.0f}"
                    f" (z = {row['z']:.1f} robust deviations of the logarithm; {exp(row['log'] - row['high']):.2g} times"
                    " the 95th percentile)",
                    field=row["field"],
                    severity=Severity.INFO if row["z"] < 0 else None,
                )

    def _above_gap(self, rows: pl.DataFrame, context: Context) -> float:
        """Returns the logarithm of the length from which on few texts stand apart from all others; infinity where none do."""
        logs = sorted([rows["below"][0], *rows.filter(pl.col("z") > 0)["log"]])
        gap = log_of(context.threshold(self, "gap"))
        few = _FEW * rows["task_rows"][0]
        starts = (high for index, (low, high) in enumerate(pairwise(logs), 1) if high - low >= gap and len(logs) - index <= few)
        return next(starts, float("inf"))


def _usual(counts: pl.DataFrame, far: float) -> pl.DataFrame:
    """Returns what is usual in each task (`_USUAL`), all of the logarithms of its lengths.

    Args:
        counts: `task`, `characters`, and the `rows` of that length.
        far: how far above the median a text is looked at more closely.
    """
    found = []
    for (task,), rows in counts.group_by("task"):
        logs = rows.select(log=pl.col("characters").log().repeat_by("rows")).explode("log")["log"]
        usual = pl.DataFrame({"log": logs}).select(
            pl.lit(task).alias("task"),
            pl.col("log").median().alias("median"),
            robust_deviation(pl.col("log")).alias("spread"),
            pl.col("log").quantile(0.05).alias("low"),
            pl.col("log").quantile(0.95).alias("high"),
            pl.col("log").filter(pl.col("log") < pl.col("log").median() + far).max().alias("below"),
        )
        found.append(usual)
    return pl.concat(found) if found else pl.DataFrame(schema=_USUAL)
