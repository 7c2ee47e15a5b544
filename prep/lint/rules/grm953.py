"""GRM953 Unfinished."""

import polars as pl

from prep.lint.context import Context
from prep.lint.drafts import edit_answer
from prep.lint.prepare import TERMINAL
from prep.lint.tasks import MIN_TASK_ROWS, ONE_TASK
from prep.lint.rule import Draft, Finding, Rule, Severity, Subject, Threshold

# Words that no English sentence ends on, but for a question ("what are you waiting for?"), which ends in punctuation.
_DANGLING = (
    r"(?i)(?:\b(?:the|an|a|and|or|but|of|to|with|from|for|by|at|as|than|that|which|who|whose|where|because|if|when|while|into|your|our|their"
    r"|its|my|is|are|was|were|will|would|should)|[,(\[\-\x{2013}&/])$"
)
_LETTER_END = r"[\p{L}\p{N}]$"
# In a mix of questions an answer may be a name; after a whole sentence, half of another is none.
_AFTER_A_SENTENCE = r"[.!?\x{3002}\x{ff01}\x{ff1f}](?:\s|[^\x00-\x7f])[^.!?:=\n\x{ff1a}\x{3002}\"-]{12,}$"
# Lists, headings, code, addresses and signatures end without a stop in sound text.
_OPEN_END = r"(?:^|\n)\s*(?:[-*\x{2022}#>|]|[0-9]{1,2}[.)])\s[^\n]*$|```\s*$|\S+://\S+$|\S+@\S+$|#\w+$|\n[^\n]{0,40}$"


class Unfinished(Rule):
    """An answer that stops in the middle of a sentence.

    ## What it does
    Looks at tasks whose answers are sentences: where most answers end in punctuation, it reports those that stop on a comma, an open
    bracket or a word that ends no sentence ("the", "of", "because"); where nearly all do, also those that stop on any letter or digit.
    Lists, code, addresses and short closing lines are left alone.

    ## Why is this bad
    Answers cut off at a length limit teach the model to stop anywhere.

    ## Example
    `Then walk on to the boot counter, where`

    ## Fix safety
    Never fixed automatically: how the sentence went on is not known.
    """

    code = "GRM953"
    severity = Severity.WARNING
    columns = ("template", "task", "task_rows", "closed", "terminal_share", "system", "answer", "answer_field")
    remedy = "Finish the answer, or drop the row."
    yields_to = ("LEN603", "GRM955", "TPL905", "CON203")
    thresholds = (
        Threshold("mostly", 0.6, "below it answers are fragments by design, and a comma at the end says little"),
        Threshold(
            "nearly_all",
            0.9,
            "all sound answers of the sample data end in punctuation, and 80 to 93% of those in general chat (alpaca, KTO)",
        ),
        Threshold("min_characters", 15, "shorter answers are words, names or amounts rather than sentences"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        end = pl.col("answer").str.strip_chars_end()
        sentence = ~pl.col("closed") & (pl.col("task_rows") >= MIN_TASK_ROWS) & end.str.contains(r"\S\s\S|[^\x00-\x7f]")
        sentence &= end.str.len_chars() >= context.threshold(self, "min_characters")
        dangling = end.str.contains(_DANGLING) & (pl.col("terminal_share") >= context.threshold(self, "mostly"))
        cut = end.str.contains(_LETTER_END) & (pl.col("terminal_share") >= context.threshold(self, "nearly_all"))
        cut &= ONE_TASK | end.str.contains(_AFTER_A_SENTENCE)
        return (
            examples.filter(sentence & (dangling | cut) & ~end.str.contains(TERMINAL) & ~end.str.contains(_OPEN_END))
            .with_columns(percent=(pl.col("terminal_share") * 100).floor().cast(pl.Int64))
            .select(
                *Finding.where,
                field="answer_field",
                message=pl.format(
                    "the answer stops at '...{}', where {}% of the answers end in punctuation",
                    pl.col("answer").str.strip_chars_end().str.tail(30).str.replace_all(r"\s+", " "),
                    "percent",
                ),
            )
        )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer stops in the middle of a sentence")
