"""CON203 MixedOutputShape."""

import polars as pl

from prep.lint.context import Context
from prep.lint.drafts import edit_answer
from prep.lint.rule import Draft, Finding, Rule, Severity, Subject, Threshold
from prep.lint.tasks import MIN_TASK_ROWS, ONE_TASK

_LIST = r"^\s*(?:[-*\x{2022}\x{2013}]|[0-9]{1,2}[.)])\s+\S[^\n]*\n\s*(?:[-*\x{2022}\x{2013}]|[0-9]{1,2}[.)])\s"
# An input that asks for a shape gets it.
_ASKED_FOR = r"(?i)\bjson\b|\bbullet|\blist of\b|\bas a list\b|\bnumbered\b|\bcapital letters\b|\bupper ?case\b"


class MixedOutputShape(Rule):
    """An answer in another shape than the rest of its task: JSON among prose, a list, all capitals.

    ## What it does
    Sorts the free-text answers of each task (a template, or an instruction that rows share) into JSON, list, capitals and prose. Where
    nearly all have one shape it reports the few that differ, unless their input asks for it. Answers from a fixed set of words are
    CON204's matter.

    ## Why is this bad
    The model learns to change shape at random, and whatever parses or shows its answers breaks on those.

    ## Example
    Among summaries in prose: `{"part": "PX7731-A", "issue": "damaged"}`.

    ## Fix safety
    Never fixed automatically: putting an answer into another shape means writing it again.
    """

    code = "CON203"
    severity = Severity.WARNING
    columns = ("template", "task", "task_rows", "closed", "kind", "system", "input", "answer", "answer_field")
    remedy = "Write the answer again in the shape of the others."
    thresholds = (
        Threshold(
            "majority", 0.95, "below it the shapes mix by design: a tenth of the answers in general instruction data (alpaca) are lists"
        ),
        Threshold("minority", 0.03, "a shape that more rows have is a habit; the sample data has one answer in 160 of each odd shape"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        answer = pl.col("answer")
        stripped = answer.str.strip_chars()
        letters = answer.str.replace_all(r"\P{L}", "")
        shape = (
            pl.when(stripped.str.contains(r"(?s)^[{\[].*[}\]]$"))
            .then(pl.lit("JSON"))
            .when(answer.str.contains(_LIST))
            .then(pl.lit("a list"))
            .when((letters.str.len_chars() >= 20) & (letters == letters.str.to_uppercase()) & (letters != letters.str.to_lowercase()))
            .then(pl.lit("all capitals"))
            .otherwise(pl.lit("prose"))
        )
        share = pl.len().over("task", "shape") / pl.col("num_answers")
        return (
            examples.filter(
                ONE_TASK & ~pl.col("closed") & (pl.col("task_rows") >= MIN_TASK_ROWS) & (answer != "") & (pl.col("kind") != "completion")
            )
            .select(*Finding.where, "task", field="answer_field", shape=shape, asked_for=pl.col("input").str.contains(_ASKED_FOR))
            .with_columns(num_answers=pl.len().over("task"))
            .with_columns(share=share)
            .with_columns(majority=pl.col("share").max().over("task"), usual=pl.col("shape").sort_by("share").last().over("task"))
            .filter(pl.col("majority") >= context.threshold(self, "majority"))
            .filter((pl.col("share") <= context.threshold(self, "minority")) & ~pl.col("asked_for"))
            .with_columns(
                message=pl.format(
                    "the answer is {}, where {}% of the answers are {}",
                    "shape",
                    (pl.col("majority") * 100).floor().cast(pl.Int64),
                    "usual",
                )
            )
        )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer has another shape than the others")
