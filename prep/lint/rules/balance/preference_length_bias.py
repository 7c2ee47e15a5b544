"""BAL105 PreferenceLengthBias."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.statistics import wilcoxon_signed_rank
from prep.lint.base.texts import of_template


class PreferenceLengthBias(Rule):
    """Preference pairs whose preferred answer is simply the longer, or the shorter.

    ## What it does
    Compares the lengths of the two answers of each preference pair (Wilcoxon signed-rank test). Reports a length difference that is
    significant and large.

    ## Why is this bad
    Preference training learns length first: most of the gain of such models is length alone (Singhal et al. 2023), and answers grow
    without getting better.

    ## Example
    The preferred answer is longer in 82% of 1,000 pairs, by a median of 240 characters.

    ## Fix safety
    Never fixed automatically: drop pairs, or add pairs whose better answer is the shorter one.
    """

    code = "BAL105"
    severity = Severity.WARNING
    columns = ("template", "source", "form", "answer", "rejected")
    remedy = "Add pairs in which the shorter answer is preferred, or balance the pairs by length; evaluate at equal length."
    thresholds = (
        Threshold("p", 0.01, "significance level"),
        Threshold("effect", 0.5, "rank-biserial correlation (Kerby 2014): 0.5 is a large correlation (Cohen 1988)"),
        Threshold("min_rows", 30, "the test's normal approximation needs about 30 pairs"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        more = pl.col("answer").str.len_chars().cast(pl.Int64) - pl.col("rejected").str.len_chars().cast(pl.Int64)
        return examples.filter(pl.col("rejected").is_not_null() & pl.col("answer").is_not_null()).select("template", "source", more=more)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for (template, source), rows in sorted(found.group_by("template", "source"), key=lambda one: str(one[0])):
            differences = rows["more"].to_numpy().astype(np.float64)
            test = wilcoxon_signed_rank(differences)
            enough = len(differences) >= context.threshold(self, "min_rows")
            if not enough or test.p >= context.threshold(self, "p") or abs(test.effect) < context.threshold(self, "effect"):
                continue
            side = "longer" if test.effect > 0 else "shorter"
            share = float((differences > 0).mean() if test.effect > 0 else (differences < 0).mean())
            name = of_template(template)
            yield Finding(
                f"{name}the preferred answer is {side} in {share:.0%} of {len(differences):,} pairs, by a median of"
                f" {abs(float(np.median(differences))):,.0f} characters (Wilcoxon z = {test.statistic:.1f}, rank-biserial"
                f" correlation {test.effect:.2f})",
                source=source,
                field="answer",
            )
