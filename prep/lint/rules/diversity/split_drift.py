"""DIV703 SplitDrift."""

from collections.abc import Iterable, Iterator
from math import exp

import numpy as np
import polars as pl

from loopwright import statistics
from loopwright.statistics import Bools
from prep.drift.words import WordSets
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.statistics import chi_square_p
from prep.lint.detectors.label_variants import label_word
from prep.pii.masking import shorten
from templates.form import JUDGED

_SAMPLE_ROWS = 1_000
_MAX_CHARACTERS = 2_000


class SplitDrift(Rule):
    """Evaluation rows that are unlike the training rows.

    ## What it does
    Compares each evaluation split with train on up to 1,000 evenly spread rows of each: a classifier two-sample test on the words of
    the inputs (out-of-fold naive Bayes; Lopez-Paz and Oquab 2017), whose AUC is 0.5 if nothing distinguishes the splits; the
    Kolmogorov-Smirnov distance of the input lengths; and the label shares, with their Jensen-Shannon divergence. LEK401 covers rows
    that appear in both splits.

    ## Why is this bad
    The score describes other rows than the model was trained for. Either the evaluation rows come from production and train lacks their
    kind, or the split was not drawn at random.

    ## Example
    A classifier tells the inputs of `test` from those of `train` with an AUC of 0.83.

    ## Fix safety
    Never fixed automatically: split again (`split: {by: hash}`), or add rows of the kind that train lacks.
    """

    code = "DIV703"
    severity = Severity.WARNING
    columns = ("split", "input_body", "is_closed_set", "label", "answer", "form")
    remedy = "Split again at random by group, or add the rows that train lacks; `prep drift` shows the words that differ."
    thresholds = (
        Threshold("auc", 0.638, "lower end of the 95% interval (DeLong et al. 1988); equals Cohen's d of 0.5, Phi(d / sqrt 2)"),
        Threshold("length", 0.197, "distance of two normal distributions half a standard deviation apart, 2 Phi(d / 2) - 1"),
        Threshold("labels", 0.3, "Cramer's V, corrected for chance (Bergsma 2013): 0.3 is medium (Cohen 1988)"),
        Threshold("p", 0.01, "significance level, for lengths and labels"),
        Threshold("min_rows", 50, "rows of each split; with fewer the AUC's interval is wider than 0.2"),
    )

    def unavailable(self, context: Context) -> str | None:
        return None if "train" in context.splits and len(context.splits) > 1 else "needs a train split and another one: give --test FILE"

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        every = (pl.len().over("split") // _SAMPLE_ROWS).clip(1)
        word = pl.when("is_closed_set").then(label_word())
        return (
            examples.filter((pl.col("input_body") != "") & ~pl.col("form").is_in(JUDGED))
            .select(
                "split",
                "position",
                text=pl.col("input_body").str.head(_MAX_CHARACTERS),
                length=pl.col("input_body").str.len_chars(),
                word=word,
            )
            .filter(pl.col("position") % every == 0)
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        rows = found.sort("position").group_by("split", maintain_order=True).head(_SAMPLE_ROWS)
        train = rows.filter(pl.col("split") == "train")
        for split in sorted(set(rows["split"]) - {"train"}):
            other = rows.filter(pl.col("split") == split)
            if min(train.height, other.height) < context.threshold(self, "min_rows"):
                continue
            both = pl.concat([train, other])
            for message, kind in self._differences(both, (both["split"] != "train").to_numpy(), context):
                yield Finding(f"split '{split}' differs from 'train': {message}", kind=kind)

    def _differences(self, rows: pl.DataFrame, is_other: Bools, context: Context) -> Iterator[tuple[str, str]]:
        scores = WordSets.of(rows["text"].to_list()).out_of_fold_scores(is_other)
        low, high = statistics.auc_interval(scores, is_other)
        if low >= context.threshold(self, "auc"):
            auc = statistics.auc(scores, is_other)
            yield (
                f"a classifier separates their inputs with an AUC of {auc:.2f} (95% interval {low:.2f} to {high:.2f}; 0.5 is chance)",
                "words",
            )
        places = np.unique(rows["length"].to_numpy(), return_inverse=True)[1].astype(np.int64)
        gap = statistics.largest_gap(places, is_other)
        if gap >= context.threshold(self, "length") and _gap_p(gap, is_other) < context.threshold(self, "p"):
            medians = [float(rows.filter(pl.Series(side))["length"].median() or 0) for side in (~is_other, is_other)]  # type: ignore[arg-type]
            yield (
                f"median input length is {medians[1]:,.0f} characters, {medians[0]:,.0f} in train (Kolmogorov-Smirnov distance {gap:.2f})",
                "lengths",
            )
        labelled = rows["word"].is_not_null().to_numpy()
        if labelled[is_other].any() and labelled[~is_other].any():
            yield from self._labels(rows["word"].to_numpy()[labelled].astype(str), is_other[labelled], context)

    def _labels(self, words: np.ndarray, is_other: Bools, context: Context) -> Iterator[tuple[str, str]]:
        names, places = np.unique(words, return_inverse=True)
        places = places.astype(np.int64)
        statistic = statistics.chi_square(places, is_other)
        effect = statistics.cramers_v(statistic, len(words), len(names))
        if effect < context.threshold(self, "labels") or chi_square_p(statistic, len(names) - 1) >= context.threshold(self, "p"):
            return
        shares = [np.bincount(places[side], minlength=len(names)) / side.sum() for side in (~is_other, is_other)]
        most = int(np.abs(shares[1] - shares[0]).argmax())
        yield (
            f"'{shorten(names[most])}' is the answer of {shares[1][most]:.0%} of its rows and {shares[0][most]:.0%} of train"
            f" (Cramer's V {effect:.2f}, Jensen-Shannon divergence {statistics.jensen_shannon(*shares):.2f} bits)",
            "labels",
        )


def _gap_p(gap: float, is_other: Bools) -> float:
    """Returns the chance of a distance as large where the splits are alike (Smirnov 1948, the first term of its series)."""
    sizes = int(is_other.sum()), int((~is_other).sum())
    return min(1.0, 2 * exp(-2 * gap * gap * sizes[0] * sizes[1] / (sizes[0] + sizes[1])))
