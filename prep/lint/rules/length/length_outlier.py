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
_FEW = 0.1
_USUAL = pl.Schema({"task": pl.String(), **dict.fromkeys(("median", "spread", "low", "high", "below"), pl.Float64())})


class LengthOutlier(Rule):
    """An input or answer whose length is an outlier in its task, or outside the declared range.

    ## What it does
    Computes for each text how many robust standard deviations its log length in characters is above its task's median. The deviation is
    the larger of two estimates, from the median absolute deviation and from the 95th percentile, because dialogues and instruction data
    have long tails. If the tail is too long for any deviation, a text is an outlier if it is five times as long as the 95th percentile,
    or is one of the few beyond a wide gap. Texts equally far below the median are information: a short question is still a question.

    With `lint: {expect: {lengths: {answer: [20, 600]}}}` in the config (`input` or `answer`), reports each text outside the range
    instead.

    ## Why is this bad
    One row of fifty times the usual length costs as much as fifty rows, pads its whole batch, and often is several rows run together.

    ## Example
    A review of 2,600 characters among reviews of 50.

    ## Fix safety
    Never fixed automatically: a person decides what to cut.
    """

    code = "LEN604"
    severity = Severity.WARNING
    columns = ("task", "task_rows", "form", "input_body", "answer", "input_field", "answer_field")
    remedy = "Split or shorten the row, or declare the range you expect: lint: {expect: {lengths: {answer: [LEAST, MOST]}}}."
    superseded_by = ("LEN603",)
    thresholds = (
        Threshold("z", 3.5, "robust z-score of an outlier (Iglewicz and Hoaglin 1993)"),
        Threshold("ratio", 9, "ratio to the median; the longest of 1,000 restaurant reviews has 3, of 3,000 bank questions 9"),
        Threshold("tail", 5, "ratio to the 95th percentile; 4.7 for the longest of 1,201 doctor-patient dialogues, a heavy tail"),
        Threshold("gap", 2.25, "ratio to the next shorter text; 1.9 for the longest of those dialogues, 2.1 of 1,241 human chats"),
        Threshold("characters", 400, "about 80 words; a shorter text costs little"),
        Threshold(
            "long", 8_000, "about 2,000 tokens, the length at which many runs are cut: no document of 3,000 has nine times its median"
        ),
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
        far, gap, long = (log_of(context.threshold(self, name)) for name in ("ratio", "gap", "long"))
        # What is usual is told from how often each length occurs: the texts' lengths themselves are not held.
        lengths = known.group_by("task", "characters").len("rows")
        usual = lengths.map_batches(
            lambda counts: _usual(counts, _is_far(far, gap, long)),
            schema=_USUAL,
            predicate_pushdown=False,
            projection_pushdown=False,
            slice_pushdown=False,
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
            .filter(_is_far(far, gap, long) | ((median - log >= far) & (-z >= context.threshold(self, "z"))))
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for part, bounds in context.expect.lengths.items():
            for row in found.filter(pl.col("part") == part).iter_rows(named=True):
                message = f"the {part} has {row['characters']:,} characters, outside the declared {bounds[0]:,} to {bounds[1]:,}"
                yield Finding.at(row, message, field=row["field"])
        if "z" in found.columns:
            for rows in found.filter(pl.col("z").is_not_null()).partition_by("part", "task"):
                yield from self._outliers(rows, context)

    def _outliers(self, rows: pl.DataFrame, context: Context) -> Iterable[Finding]:
        apart = self._above_gap(rows, context)
        far = rows["median"][0] + log_of(context.threshold(self, "ratio"))
        longest = rows["high"][0] + log_of(context.threshold(self, "tail"))
        least = log_of(context.threshold(self, "characters"))
        for row in rows.iter_rows(named=True):
            beyond = row["log"] >= apart or (row["log"] >= far and (row["z"] >= context.threshold(self, "z") or row["log"] >= longest))
            if row["z"] < 0 or (beyond and row["log"] >= least):
                yield Finding.at(
                    row,
                    f"the {row['part']} has {row['characters']:,} characters; its task's median is {exp(row['median']):,.0f}"
                    f" (robust z = {row['z']:.1f} of the log length; {exp(row['log'] - row['high']):.2g} times"
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


def _is_far(far: float, gap: float, long: float) -> pl.Expr:
    """Says whether a text is looked at more closely: it is far above the median, or long and above it by a gap; all logarithms."""
    above = pl.col("log") - pl.col("median")
    return (above >= far) | ((pl.col("log") >= long) & (above >= gap))


def _usual(counts: pl.DataFrame, is_far: pl.Expr) -> pl.DataFrame:
    """Returns what is usual in each task (`_USUAL`), all of the logarithms of its lengths.

    Args:
        counts: `task`, `characters`, and the `rows` of that length.
        is_far: whether a text, by its `log` and the `median`, is looked at more closely.
    """
    found = []
    for (task,), rows in counts.group_by("task"):
        logs = rows.select(log=pl.col("characters").log().repeat_by("rows")).explode("log")["log"]
        usual = (
            pl.DataFrame({"log": logs})
            .with_columns(median=pl.col("log").median())
            .select(
                pl.lit(task).alias("task"),
                pl.col("median").first(),
                robust_deviation(pl.col("log")).alias("spread"),
                pl.col("log").quantile(0.05).alias("low"),
                pl.col("log").quantile(0.95).alias("high"),
                pl.col("log").filter(~is_far).max().alias("below"),
            )
        )
        found.append(usual)
    return pl.concat(found) if found else pl.DataFrame(schema=_USUAL)
