"""GRM953 Unfinished."""

import json
from collections.abc import Iterable
from typing import Any

import polars as pl

from prep.lint.columns import TERMINAL
from prep.lint.context import Context
from prep.lint.drafts import edit_answer
from prep.lint.rule import Draft, Finding, Rule, Severity, Subject, Threshold
from prep.lint.tasks import MIN_TASK_ROWS, ONE_TASK
from prep.lint.texts import shorten, shorten_end

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
# Notes in telegraphic style ("Retired Dock Hand", "Appendectomy 1988") end as they please: they lack the short words that bind sentences.
_SHORT_WORD = r"\b\p{L}{1,3}\b"
_MIN_SHORT = 0.12
# One level of plain values is told to be whole by a pattern; what nests is parsed.
_FLAT_JSON = (
    r'^\s*\{\s*"[^"\\]*"\s*:\s*(?:"[^"\\\n]*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|true|false|null)'
    r'(?:\s*,\s*"[^"\\]*"\s*:\s*(?:"[^"\\\n]*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|true|false|null))*\s*\}\s*$'
)
_MAX_BROKEN = 0.2


class Unfinished(Rule):
    """An answer that stops in the middle of a sentence, or JSON that was never closed.

    ## What it does
    Where a task's answers are JSON, it reports those that begin as JSON and do not parse, with the place. In tasks whose answers are
    sentences, where most of them end in punctuation, it reports those that stop on a comma, an open bracket or a word that ends no
    sentence ("the", "of", "because"); where nearly all do, also those that stop on any letter or digit. Lists, code, addresses, notes
    in telegraphic style and short closing lines are left alone.

    ## Why is this bad
    Answers cut off at a length limit teach the model to stop anywhere.

    ## Example
    `Then walk on to the boot counter, where`

    ## Fix safety
    Never fixed automatically: how the sentence went on is not known.
    """

    code = "GRM953"
    severity = Severity.WARNING
    columns = ("template", "task", "task_rows", "task_shape", "is_closed_set", "punctuated_share", "system", "answer", "answer_field")
    remedy = "Finish the answer, or drop the row."
    superseded_by = ("LEN603", "GRM955", "TPL905", "CON203")
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
        columns = [*Finding.where, "task", "task_rows", "answer", "answer_field"]
        is_json = (pl.col("task_shape") == "json") & pl.col("answer").str.contains(r"^\s*[{\[]")
        doubtful = examples.filter(is_json & ~pl.col("answer").str.contains(_FLAT_JSON)).select(*columns, percent=pl.lit(None, pl.Int64))
        prose = examples.filter((pl.col("task_shape") != "json") & self.is_cut(context))
        percent = (pl.col("punctuated_share") * 100).floor().cast(pl.Int64)
        return pl.concat([doubtful, prose.select(*columns, percent=percent)])

    def is_cut(self, context: Context) -> pl.Expr:
        """Says whether an answer in sentences stops within one."""
        end = pl.col("answer").str.strip_chars_end()
        sentence = ~pl.col("is_closed_set") & (pl.col("task_rows") >= MIN_TASK_ROWS) & end.str.contains(r"\S\s\S|[^\x00-\x7f]")
        sentence &= end.str.len_chars() >= context.threshold(self, "min_characters")
        dangling = end.str.contains(_DANGLING) & (pl.col("punctuated_share") >= context.threshold(self, "mostly"))
        cut = end.str.contains(_LETTER_END) & (pl.col("punctuated_share") >= context.threshold(self, "nearly_all"))
        cut &= ONE_TASK | end.str.contains(_AFTER_A_SENTENCE)
        telegraphic = end.str.count_matches(_SHORT_WORD) < _MIN_SHORT * (end.str.count_matches(r"\s\S") + 1)
        cut &= end.str.contains(r"[^\x{00}-\x{24f}]") | ~telegraphic
        return sentence & (dangling | cut) & ~end.str.contains(TERMINAL) & ~end.str.contains(_OPEN_END)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.filter(pl.col("percent").is_not_null()).iter_rows(named=True):
            shown = shorten_end(row["answer"], 33)
            message = f"the answer stops at '{shown}', where {row['percent']}% of the answers end in punctuation"
            yield Finding.at(row, message, field=row["answer_field"])
        for rows in found.filter(pl.col("percent").is_null()).partition_by("task", maintain_order=True):
            broken = [(row, error) for row in rows.iter_rows(named=True) if (error := _error(row["answer"])) is not None]
            if len(broken) <= max(_MAX_BROKEN * rows["task_rows"][0], 2):  # else it is a dialect of JSON, and on purpose
                yield from (_broken(row, *error) for row, error in broken)

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer stops in the middle of a sentence")


def _error(answer: str) -> tuple[str, int] | None:
    """Returns why an answer is not JSON, and where; several values, one a line, are JSON too."""
    try:
        json.loads(answer)
    except RecursionError:
        return None
    except json.JSONDecodeError as error:
        lines = [line for line in answer.splitlines() if line.strip()]
        if len(lines) > 1 and all(_parses(line) for line in lines):
            return None
        return error.msg, error.pos
    return None


def _parses(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _broken(row: dict[str, Any], reason: str, position: int) -> Finding:
    answer = row["answer"].rstrip()
    if position >= len(answer) or "Unterminated" in reason:
        message = f"the JSON answer is not closed: it stops at '{shorten_end(answer, 33)}'"
        span = (len(answer) - 1, len(answer))
    else:
        shown = shorten(answer, 20, span=(position, min(position + 20, len(answer))))
        where = f"at character {position + 1:,}, '{shown}'"
        message = f"the JSON answer does not parse: {reason[:1].lower()}{reason[1:]} {where}"
        span = (position, position + 1)
    return Finding.at(row, message, field=row["answer_field"], span=span, severity=Severity.ERROR)
