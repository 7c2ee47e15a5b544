"""LEN603 TinyTarget."""

import polars as pl

from prep.lint.base.answers import edit_answer
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.base.texts import with_separators
from prep.lint.frame.tasks import MIN_TASK_ROWS, ONE_TASK

# Letters and digits say something, and so do symbols and emoji; dots and dashes hold a place.
_PLACEHOLDER = r"(?i)^(?:[\s\p{P}]+|\W*(?:n\s?/\s?a|n\.a\.|tbd|todo|to be done|empty|blank|placeholder|fixme|xxx+)\W*)$"
# What programs print for nothing, and what some tasks answer; as one answer in hundreds it is no class of its own.
_NOTHING = r"(?i)^\W*(?:none|null|nil|nan|undefined)\W*$"


class TinyTarget(Rule):
    """An empty or near-empty answer.

    ## What it does
    Reports empty and whitespace-only answers as errors. Warns of placeholders that are rare in their task: dots, a dash, `n/a`, `TODO`,
    and, rarer still, `none` or `null`. In a task (a template, or an instruction that rows share) whose answers are normally whole
    sentences, warns of answers of very few characters; tasks with a fixed answer set may have short ones.

    ## Why is this bad
    An empty answer trains only the end token: the model learns to say nothing. One such row in fifty is enough.

    ## Example
    A summary `ok` among summaries of 150 characters.

    ## Fix safety
    Never fixed automatically: a person has to write the answer or drop the row.
    """

    code = "LEN603"
    severity = Severity.ERROR
    columns = ("task", "task_rows", "is_closed_set", "median_characters", "answer", "answer_field")
    remedy = "Write the answer, or drop the row."
    thresholds = (
        Threshold("characters", 3, "length of 'ok', 'no.' and 'n/a'; the shortest sentence is longer"),
        Threshold("typical_characters", 40, "half a line; with a shorter median, short answers may be the task"),
        Threshold("rare", 0.02, "highest share of a placeholder; if more rows have '-', it is a label"),
        Threshold(
            "nothing",
            0.005,
            "highest share of 'none' and 'null'; one in thirty clinical notes (MTS-Dialog) rightly says that there is none",
        ),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        answer = pl.col("answer").str.strip_chars()
        characters = pl.col("characters")
        worded = ONE_TASK & ~pl.col("is_closed_set") & (pl.col("task_rows") >= MIN_TASK_ROWS)
        worded &= pl.col("median_characters") >= context.threshold(self, "typical_characters")
        tiny = worded & (characters <= context.threshold(self, "characters"))
        rare = pl.len().over("task", "placeholder") <= context.threshold(self, "rare") * pl.col("task_rows")
        nothing = pl.col("nothing") & (pl.len().over("task", "nothing") <= context.threshold(self, "nothing") * pl.col("task_rows"))
        return (
            examples.filter(pl.col("answer").is_not_null())
            .select(*Finding.where, "answer_field", "task", "task_rows", "is_closed_set", "median_characters", answer=answer)
            .with_columns(characters=pl.col("answer").str.len_chars(), placeholder=pl.col("answer").str.contains(_PLACEHOLDER))
            .with_columns(nothing=pl.col("answer").str.contains(_NOTHING) & ONE_TASK)
            .filter((characters == 0) | tiny | pl.col("placeholder") | pl.col("nothing"))
            .with_columns(nothing=nothing)
            .filter((characters == 0) | tiny | pl.col("nothing") | (pl.col("placeholder") & rare & (pl.col("task_rows") >= MIN_TASK_ROWS)))
            .select(
                *Finding.where,
                field="answer_field",
                severity=pl.when(characters > 0).then(pl.lit("warning")),
                message=pl.when(characters == 0)
                .then(pl.lit("the answer is empty"))
                .when(pl.col("placeholder") | pl.col("nothing"))
                .then(pl.format("the answer is only the placeholder '{}'", "answer"))
                .otherwise(
                    pl.format(
                        "the answer is only '{}'; the task's median answer has {} characters",
                        "answer",
                        with_separators(pl.col("median_characters").cast(pl.Int64)),
                    )
                ),
            )
        )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer is empty or near-empty")
