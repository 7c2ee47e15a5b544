"""LBL801 LikelyMislabel."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.answers import edit_answer
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import RankedRule
from prep.lint.base.subject import Draft, Subject
from prep.lint.detectors.label_errors.baseline import COLUMNS, baseline_unavailable, judge_labels


class LikelyMislabel(RankedRule):
    """A label that is probably wrong.

    ## What it does
    Covers tasks with at least 100 rows and a fixed answer set, and JSON answers with such a field. Two plain classifiers on words and
    character n-grams (logistic regression and complement naive Bayes) predict each row out of fold; duplicates and near-duplicates
    share a fold. Their pooled probabilities are fitted together with a rate of wrong labels (symmetric noise, Angluin and Laird 1988),
    so that uncertainty on easy rows does not count as noise. The score is the posterior probability that the given label is wrong. With
    `--model-scores`, a classifier on the model's hidden states and the model's own choice of label join the pool. Of more than 100,000
    rows a sample is fitted, and the other rows are scored with it.

    ## Why is this bad
    The model learns wrong labels like right ones, and an evaluation counts correct answers as wrong. Widely used test sets have 3%
    wrong labels on average (Northcutt 2021).

    ## Example
    `"We waited an hour and the food was cold"` -> `positive`; the baseline predicts `negative` with confidence.

    ## Fix safety
    Never fixed automatically: the baseline can be wrong too. `prep fix propose` drafts the row for a person to label.
    """

    code = "LBL801"
    severity = Severity.WARNING
    columns = (*COLUMNS, "answer_field")
    quotes_input = True
    remedy = "Read the row: correct the label, or suppress the finding with a reason."
    superseded_by = ("CON201", "CON204", "LEN603")
    thresholds = (
        Threshold(
            "sure",
            0.7,
            "0 to 2 rows in 1,000 of unchanged reviews, messages and bank questions are above it; with 2% of labels flipped, four in "
            "five of the rows above it are flips",
        ),
        Threshold("doubtful", 0.5, "more likely wrong than right"),
        Threshold(
            "told_apart",
            0.2,
            "true positive rate minus false positive rate of the label; 0 for random labels",
        ),
    )

    def unavailable(self, context: Context) -> str | None:
        return baseline_unavailable()

    def rank(self, examples: pl.LazyFrame, context: Context) -> pl.DataFrame:
        return judge_labels(examples, context).select("id", "score")

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        doubtful = pl.col("score") >= context.threshold(self, "doubtful")
        return examples.filter(doubtful).select(*Finding.where, "score", field="answer_field")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        if found.is_empty():
            return
        judged = judge_labels(pl.LazyFrame(), context)
        unknown = _not_told_apart(judged, context.threshold(self, "told_apart"))
        for row in found.join(judged.drop("score"), on="id").iter_rows(named=True):
            if row["guess"] == row["given"] or (row["label_field"], row["given"]) in unknown:
                continue
            label = f"'{row['label_field']}' is " if row["label_field"] else "labelled "
            yield Finding.at(
                row,
                f"{label}'{row['given']}', but the other rows predict '{row['guess']}' ({row['chance']:.0%}); "
                f"probability of a wrong label {row['score']:.0%}",
                field=row["field"],
                score=row["score"],
                severity=None if row["score"] >= context.threshold(self, "sure") else Severity.INFO,
            )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the other rows predict another label: keep this one, or correct it")


def _not_told_apart(judged: pl.DataFrame, least: float) -> set[tuple[str | None, str]]:
    """Returns the labels, each with its field, that the baseline cannot tell from others: it only says how rare they are."""
    found = set()
    for (field,), rows in judged.group_by("label_field"):
        for label in rows["given"].unique():
            taken, its = rows["guess"] == label, rows["given"] == label
            recognised, mistaken = taken.filter(its).mean(), taken.filter(~its).mean()
            if isinstance(recognised, float) and isinstance(mistaken, float) and recognised - mistaken < least:
                found.add((field, label))
    return found
