"""LEN603 TinyTarget."""

import polars as pl

from prep.lint.context import Context
from prep.lint.drafts import edit_answer
from prep.lint.examples import MIN_TASK_ROWS, ONE_TASK
from prep.lint.rule import Draft, Finding, Rule, Severity, Subject, Threshold


class TinyTarget(Rule):
    """An answer that is empty, or next to nothing where the others say something.

    ## What it does
    Reports answers of white space alone as errors. In a task (a template, or an instruction that rows share) whose answers are normally
    whole sentences it warns of answers of very few characters; tasks with a fixed set of answer words are left alone.

    ## Why is this bad
    An empty answer trains the end token alone: the model learns to say nothing. One such row in fifty is heard.

    ## Example
    A summary that reads `ok` among summaries of 150 characters.

    ## Fix safety
    Never fixed automatically: the answer has to be written, or the row dropped, by a person.
    """

    code = "LEN603"
    severity = Severity.ERROR
    columns = ("template", "task", "task_rows", "closed", "median_characters", "system", "answer", "answer_field")
    remedy = "Write the answer, or drop the row."
    thresholds = (
        Threshold("characters", 3, "'ok', 'no.' and 'n/a' are at most that long; the shortest sentence is longer"),
        Threshold("typical_characters", 40, "half a line: where the median answer is shorter, short answers may be the task"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        characters = pl.col("answer").str.strip_chars().str.len_chars()
        worded = ONE_TASK & ~pl.col("closed") & (pl.col("task_rows") >= MIN_TASK_ROWS)
        worded &= pl.col("median_characters") >= context.threshold(self, "typical_characters")
        tiny = worded & (characters <= context.threshold(self, "characters"))
        return (
            examples.filter(pl.col("answer").is_not_null() & ((characters == 0) | tiny))
            .with_columns(characters=characters)
            .select(
                *Finding.where,
                field="answer_field",
                severity=pl.when(pl.col("characters") > 0).then(pl.lit("warning")),
                message=pl.when(pl.col("characters") == 0)
                .then(pl.lit("the answer is empty"))
                .otherwise(
                    pl.format(
                        "the answer is only '{}', where the median answer has {} characters",
                        pl.col("answer").str.strip_chars(),
                        pl.col("median_characters").cast(pl.Int64),
                    )
                ),
            )
        )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer is empty or next to it")
