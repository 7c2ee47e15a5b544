"""BAL106 LengthLabelBias."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import polars as pl

from loopwright.statistics import Floats, benjamini_hochberg
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.statistics import TestResult, mann_whitney
from prep.lint.base.texts import of_template
from prep.lint.detectors.label_variants import label_word
from prep.pii.masking import shorten
from templates.form import JUDGED

_MAX_CLASSES = 100


class LengthLabelBias(Rule):
    """A label that the input length gives away.

    ## What it does
    Compares the input lengths of each label with those of all other labels, in tasks with a fixed answer set (Mann-Whitney test,
    Benjamini-Hochberg adjusted over the labels). Reports labels with a large effect.

    ## Why is this bad
    The model may learn the length instead of the meaning. That works on data collected the same way and nowhere else (Gururangan et al.
    2018).

    ## Example
    A message labelled `spam` is longer than a message with another label in 85 of 100 pairs.

    ## Fix safety
    Never fixed automatically: add short rows of the label with long inputs, and long rows of the others.
    """

    code = "BAL106"
    severity = Severity.WARNING
    columns = ("task", "template", "source", "is_closed_set", "form", "label", "answer", "input_body")
    remedy = "Add inputs of other lengths to this label, and compare accuracy by length."
    thresholds = (
        Threshold("p", 0.01, "significance level, after adjustment"),
        Threshold("effect", 0.71, "probability that the label's text is the longer one; 0.71 equals Cohen's d of 0.8 (1988), large"),
        Threshold("min_rows", 30, "rows of the label; the test's normal approximation needs about 30"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        word = label_word()
        labelled = pl.col("is_closed_set") & ~pl.col("form").is_in(JUDGED) & pl.col("answer").is_not_null() & (word != "")
        # Counted a length: what comes back does not grow with the rows.
        return (
            examples.filter(labelled & (pl.col("input_body") != ""))
            .group_by("task", "template", "source", word=word, length=pl.col("input_body").str.len_chars())
            .len("rows")
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        large, level = context.threshold(self, "effect"), context.threshold(self, "p")
        for (_, template, source), rows in sorted(found.group_by("task", "template", "source"), key=lambda one: str(one[0])):
            tests = _tests(rows, int(context.threshold(self, "min_rows")))
            adjusted = benjamini_hochberg([test.p for test in tests.values()])
            telling = {
                word: test
                for (word, test), p in zip(tests.items(), adjusted, strict=True)
                if p < level and not 1 - large < test.effect < large
            }
            if telling:
                word, test = max(telling.items(), key=lambda one: abs(one[1].effect - 0.5))
                side, share = ("longer", test.effect) if test.effect > 0.5 else ("shorter", 1 - test.effect)
                name = of_template(template)
                others = f"; {len(telling)} of {len(tests)} labels can be told by length alone" if len(tests) > 2 else ""
                yield Finding(
                    f"{name}inputs labelled '{shorten(word)}' are {side} than inputs of other labels in {share:.0%} of pairs"
                    f" (Mann-Whitney z = {test.statistic:.1f}){others}",
                    source=source,
                    field="label",
                )


def _tests(rows: pl.DataFrame, min_rows: int) -> dict[str, TestResult]:
    """Returns for each label with enough rows how the lengths of its inputs compare with those of all others."""
    totals = rows.group_by("word").agg(pl.col("rows").sum()).filter(pl.col("rows") >= min_rows).sort("word")
    if not 2 <= totals.height <= _MAX_CLASSES:
        return {}
    lengths, places = np.unique(rows["length"].to_numpy(), return_inverse=True)
    weights = rows["rows"].to_numpy().astype(np.float64)

    def counted(chosen: npt.NDArray[np.bool_]) -> Floats:
        return np.bincount(places[chosen], weights=weights[chosen], minlength=len(lengths)).astype(np.float64)

    everything = counted(np.ones(rows.height, np.bool_))
    found = {}
    for word in totals["word"]:
        one = counted((rows["word"] == word).to_numpy())
        found[word] = mann_whitney(one, everything - one)
    return found
