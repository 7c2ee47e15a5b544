"""CON206 AnnotatorDisagreement."""

from collections.abc import Iterable

import polars as pl

from prep.lint.context import Context
from prep.lint.rule import Finding, Rule, Severity, Threshold
from prep.lint.statistics import krippendorff_alpha

_MAX_UNITS = 50_000


class AnnotatorDisagreement(Rule):
    """Labels on which the people who gave them do not agree.

    ## What it does
    Where inputs of a task with a fixed set of answers stand more than once, each time with somebody's label, it takes these as the
    judgements of several annotators and reports Krippendorff's alpha (2011): 1 is full agreement, 0 what chance gives. CON201 reports the
    single inputs.

    ## Why is this bad
    No model scores higher than the people agree, and a low alpha says that the label set or its guide is unclear before any training
    does.

    ## Example
    300 reviews judged two to five times, alpha 0.41.

    ## Fix safety
    Never fixed automatically: sharpen the guide, judge the disputed rows again, or keep those on which most agree.
    """

    code = "CON206"
    severity = Severity.WARNING
    columns = ("task", "template", "source", "closed", "kind", "label", "answer", "input_key")
    remedy = "Sharpen the guide for annotators, judge disputed rows again, or keep those on which most agree."
    thresholds = (
        Threshold("alpha", 0.667, "Krippendorff (2004): below it no conclusions are drawn; from 0.8 on data are reliable"),
        Threshold("min_units", 20, "inputs with two labels or more; fewer say little of the guide"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        word = pl.coalesce(pl.col("label"), pl.col("answer").str.strip_chars())
        judged = pl.col("closed") & (pl.col("kind") != "preference") & (word != "") & pl.col("input_key").is_not_null()
        labels = examples.filter(judged).select("task", "template", "source", "input_key", word=word, key=pl.col("input_key").hash())
        # Keys that come once are counted as numbers and not held as lists: nearly all do.
        repeated = labels.group_by("key").len("times").filter(pl.col("times") >= 2)
        return (
            labels.join(repeated, on="key", how="semi")
            .group_by("task", "template", "source", "input_key")
            .agg(pl.col("word").alias("words"))
            .filter(pl.col("words").list.len() >= 2)
            .select("task", "template", "source", "words")
            .head(_MAX_UNITS)
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for (_, template, source), rows in sorted(found.group_by("task", "template", "source"), key=lambda one: str(one[0])):
            units = rows["words"].to_list()
            alpha = krippendorff_alpha(units)
            if alpha is None or len(units) < context.threshold(self, "min_units") or alpha >= context.threshold(self, "alpha"):
                continue
            disputed = sum(len(set(unit)) > 1 for unit in units)
            name = f"template '{template}': " if template else ""
            yield Finding(
                f"{name}{len(units):,} inputs have several labels, and {disputed:,} of them different ones (Krippendorff's alpha"
                f" {alpha:.2f})",
                source=source,
                field="label",
            )
