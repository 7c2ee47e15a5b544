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
    """The preferred answer is simply the longer one, or the shorter one.

    ## What it does
    Compares the lengths of the two answers of each preference pair by Wilcoxon's signed-rank test, and reports where one side is longer
    by more than chance and by a large effect.

    ## Why is this bad
    Preference training finds the length first: most of the gain of such models is length alone (Singhal et al. 2023), and answers grow
    without getting better.

    ## Example
    In 82% of 1,000 pairs the preferred answer is longer, by 240 characters in the middle.

    ## Fix safety
    Never fixed automatically: drop pairs, or add such in which the shorter answer is the better one.
    """

    code = "BAL105"
    severity = Severity.WARNING
    columns = ("template", "source", "form", "answer", "rejected")
    remedy = "Add pairs in which the shorter answer is preferred, or balance the pairs by length; compare at equal length when evaluating."
    thresholds = (
        Threshold("p", 0.01, "the level at which chance is ruled out"),
        Threshold("effect", 0.5, "rank-biserial correlation (Kerby 2014): 0.5 is large by Cohen's scale for correlations (1988)"),
        Threshold("min_rows", 30, "from which on the normal approximation of the test holds"),
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
                f"{name}the preferred answer is the {side} one in {share:.0%} of {len(differences):,} pairs, by"
                f" {abs(float(np.median(differences))):,.0f} characters in the middle (Wilcoxon z = {test.statistic:.1f}, rank-biserial"
                f" correlation {test.effect:.2f})",
                source=source,
                field="answer",
            )
