"""CON201 ConflictingLabels."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from prep.lint.base.answers import edit_answer
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.groups import grouped, ids, place
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.pii.masking import shorten
from prep.text.normalise import hash_column, normalise_expr
from templates.form import Form

_KEYS = ("template", "input_key", "judged_key")
# Answers that are judged by themselves may differ; one of them may not be both wanted and unwanted.
_IS_JUDGED = pl.col("form") == Form.UNPAIRED
_JUDGED_KEY = pl.when(_IS_JUDGED).then(hash_column(normalise_expr(pl.coalesce("answer", "rejected").fill_null("")))).otherwise(pl.lit(""))
_SHOWN = ("answer", "rejected")


class ConflictingLabels(Rule):
    """The same input with different answers.

    ## What it does
    Groups a template's rows by normalised input (NFKC, case folded, whitespace collapsed) and reports every row of a group with more
    than one answer. Error in tasks with a fixed answer set; warning for free text, where two answers can both be right. If many rows of
    a free-text task have several answers, that is its design and none is reported. Of answers that are judged by themselves, reports as
    errors those that are wanted in one row and unwanted in another.

    ## Why is this bad
    The model cannot fit both answers: each conflict raises the lowest possible loss and lowers the highest possible accuracy.

    ## Example
    `"Great soup, slow waiter"` -> `positive` (line 12) and -> `negative` (line 340).

    ## Fix safety
    Never fixed automatically: a person decides which answer is right. `prep fix propose` drafts an edit of each row.
    """

    code = "CON201"
    severity = Severity.ERROR
    columns = ("template", "task", "task_rows", "is_closed_set", "form", "input_key", "answer_key", "answer", "rejected")
    thresholds = (
        Threshold(
            "by_design", 0.05, "2 to 4% in sample data with planted conflicts; 10% and more in sets with several answers per question"
        ),
    )
    quotes_input = True
    remedy = "Decide which answer is right; correct or drop the other rows."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        comparable = pl.col("input_key").is_not_null() & pl.col("answer_key").is_not_null() & (pl.col("form") != Form.PREFERENCE)
        in_conflict = pl.col("answer_key").n_unique().over(_KEYS) > 1
        return (
            examples.with_columns(judged_key=_JUDGED_KEY)
            .select(*Finding.where, "position", "form", *_SHOWN, "answer_key", "is_closed_set", "task", "task_rows", *_KEYS)
            .filter(comparable)
            .filter(in_conflict)
            .with_columns(share=pl.len().over("task") / pl.col("task_rows"), count=pl.len().over("task"))
            .filter(
                pl.col("is_closed_set") | _IS_JUDGED | (pl.col("share") <= context.threshold(self, "by_design")) | (pl.col("count") < 10)
            )
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for group in grouped(found, _KEYS):
            for row in group:
                others = [other for other in group if other["answer_key"] != row["answer_key"]]
                is_judged = row["form"] == Form.UNPAIRED
                yield Finding.at(
                    row,
                    _judged_twice(row, others[0]) if is_judged else _answered_otherwise(row, others[0]),
                    field="answer",
                    severity=None if row["is_closed_set"] or is_judged else Severity.WARNING,
                    related=ids(others),
                )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        if subject.row.get("wanted") is not None:
            return Draft("drop", "the same answer to the same input is judged otherwise in another row: keep one of them")
        return edit_answer(subject, "the same input has another answer in another row: keep, correct or drop this row")


def _answered_otherwise(row: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    answer, other_answer = shorten(row["answer"]), shorten(other["answer"])
    return f"conflicting answers: '{answer}' here, '{other_answer}' for the same input at {place(other)}"


def _judged_twice(row: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    here, there = ("unwanted" if one["answer"] is None else "wanted" for one in (row, other))
    answer = shorten(row["rejected"] if row["answer"] is None else row["answer"])
    return f"conflicting judgements: '{answer}' is {here} here, and {there} for the same input at {place(other)}"
