"""CON203 MixedOutputShape."""

import polars as pl

from prep.lint.context import Context
from prep.lint.drafts import edit_answer
from prep.lint.prepare import LOOKS_LIKE_JSON
from prep.lint.rule import Draft, Finding, Rule, Severity, Subject, Threshold
from prep.lint.tasks import MIN_TASK_ROWS, ONE_TASK
from prep.lint.texts import shorten

_LIST = r"^\s*(?:[-*\x{2022}\x{2013}]|[0-9]{1,2}[.)])\s+\S[^\n]*\n\s*(?:[-*\x{2022}\x{2013}]|[0-9]{1,2}[.)])\s"
_MARKDOWN = r"^\s*(?:#{1,4} \S|\|[^\n]*\|[ \t]*\n\s*\||\*\*[^*\n]{1,40}\*\*:?\s*\n)"
_KEY = r'"[^"\\\n]{1,60}"\s*:'
# An input that asks for a shape gets it.
_ASKED_FOR = r"(?i)\bjson\b|\bbullet|\blist of\b|\bas a list\b|\bnumbered\b|\bcapital letters\b|\bupper ?case\b"


class MixedOutputShape(Rule):
    """An answer in another shape than the rest of its task: JSON among prose, a list, all capitals.

    ## What it does
    Sorts the free-text answers of each task (a template, or an instruction that rows share) into JSON, a block of code, list, Markdown,
    capitals and prose, and JSON answers by their keys. Where nearly all have one shape, or one set of keys, it reports the few that
    differ, unless their input asks for it. Answers from a fixed set of words are CON204's matter.

    ## Why is this bad
    The model learns to change shape at random, and whatever parses or shows its answers breaks on those.

    ## Example
    Among summaries in prose: `{"part": "PX7731-A", "issue": "damaged"}`.

    ## Fix safety
    Never fixed automatically: putting an answer into another shape means writing it again.
    """

    code = "CON203"
    severity = Severity.WARNING
    columns = ("template", "task", "task_rows", "task_shape", "closed", "kind", "system", "input", "answer", "answer_field")
    remedy = "Write the answer again in the shape of the others."
    thresholds = (
        Threshold(
            "majority", 0.85, "below it the shapes mix by design; in sound tasks nearly all are alike, and a tenth of them may be defective"
        ),
        Threshold("minority", 0.03, "a shape that more rows have is a habit; the sample data has one answer in 160 of each odd shape"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        answer = pl.col("answer")
        letters = answer.str.replace_all(r"\P{L}", "")
        shape = (
            pl.when((pl.col("task_shape") == "json") & answer.str.contains(r"^\s*\[") | answer.str.contains(r"^\s*\[\s*[\[{\"]"))
            .then(pl.lit("a JSON array"))
            .when(answer.str.contains(LOOKS_LIKE_JSON) | ((pl.col("task_shape") == "json") & answer.str.contains(r"^\s*\{")))
            .then(pl.lit("JSON"))
            .when(answer.str.contains(r"^\s*```"))
            .then(pl.lit("a block of code"))
            .when(answer.str.contains(_LIST))
            .then(pl.lit("a list"))
            .when(answer.str.contains(_MARKDOWN))
            .then(pl.lit("Markdown"))
            .when((letters.str.len_chars() >= 20) & (letters == letters.str.to_uppercase()) & (letters != letters.str.to_lowercase()))
            .then(pl.lit("all capitals"))
            .otherwise(pl.lit("prose"))
        )
        looked_at = ONE_TASK & (~pl.col("closed") | (pl.col("task_shape") == "json")) & (pl.col("task_rows") >= MIN_TASK_ROWS)
        shaped = examples.filter(looked_at & (answer.str.strip_chars() != "") & (pl.col("kind") != "completion")).select(
            *Finding.where,
            "task",
            field="answer_field",
            shape=shape,
            keys=pl.when(shape == "JSON").then(answer.str.extract_all(_KEY).list.unique().list.sort().list.join(" ")),
            asked_for=pl.col("input").str.contains(_ASKED_FOR) & (pl.col("task_shape") != "json"),
        )
        by_shape = self._odd(shaped, "shape", context).with_columns(
            message=pl.format("the answer is {}, where {}% of the answers are {}", "shape", "percent", "usual")
        )
        by_keys = self._odd(shaped.filter(pl.col("keys") != ""), "keys", context).with_columns(
            message=pl.format("the answer's keys are {}, where {}% of the JSON answers have {}", _shown("keys"), "percent", _shown("usual"))
        )
        columns = [*Finding.where, "field", "message"]
        return pl.concat([by_shape.select(columns), by_keys.select(columns)])

    def _odd(self, shaped: pl.LazyFrame, column: str, context: Context) -> pl.LazyFrame:
        """Returns the rows whose value is rare in a task where nearly all have one."""
        share = pl.len().over("task", column) / pl.len().over("task")
        return (
            shaped.with_columns(share=share)
            .with_columns(majority=pl.col("share").max().over("task"), usual=pl.col(column).sort_by("share").last().over("task"))
            .filter(pl.col("majority") >= context.threshold(self, "majority"))
            .filter((pl.col("share") <= context.threshold(self, "minority")) & ~pl.col("asked_for"))
            .with_columns(percent=(pl.col("majority") * 100).floor().cast(pl.Int64))
        )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer has another shape than the others")


def _shown(column: str) -> pl.Expr:
    names = pl.col(column).str.replace_all(r"\s*:", "").str.replace_all(" ", ", ")
    return names.map_elements(lambda text: shorten(text, 80), return_dtype=pl.String)
