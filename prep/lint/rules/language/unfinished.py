"""GRM953 Unfinished."""

import json
from collections.abc import Iterable
from typing import Any

import polars as pl

from prep.lint.base.answers import edit_answer
from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.detectors.unfinished_answers import MIN_CHARACTERS, MOSTLY, NEARLY_ALL, stops_midway
from prep.pii.masking import shorten, shorten_end

# One level of plain values is told to be whole by a pattern; what nests is parsed.
_FLAT_JSON = (
    r'^\s*\{\s*"[^"\\]*"\s*:\s*(?:"[^"\\\n]*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|true|false|null)'
    r'(?:\s*,\s*"[^"\\]*"\s*:\s*(?:"[^"\\\n]*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|true|false|null))*\s*\}\s*$'
)
_MAX_BROKEN = 0.2


class Unfinished(Rule):
    """An answer cut off in mid-sentence, or JSON that is not closed.

    ## What it does
    In tasks with JSON answers, reports answers that begin as JSON and do not parse, with the position. In tasks whose answers are
    sentences and mostly end in punctuation, reports answers that end with a comma, an open bracket or a word that ends no sentence
    ("the", "of", "because"); if nearly all end in punctuation, also answers that end with any letter or digit. Lists, code, addresses,
    telegraphic notes and short closing lines are skipped.

    ## Why is this bad
    From answers cut off at a length limit the model learns to stop anywhere.

    ## Example
    `Then walk on to the boot counter, where`

    ## Fix safety
    Never fixed automatically: the rest of the sentence is unknown.
    """

    code = "GRM953"
    severity = Severity.WARNING
    columns = ("template", "task", "task_rows", "task_shape", "is_closed_set", "punctuated_share", "system", "answer", "answer_field")
    remedy = "Finish the answer, or drop the row."
    superseded_by = ("LEN603", "GRM955", "TPL905", "CON203")
    thresholds = (MOSTLY, NEARLY_ALL, MIN_CHARACTERS)

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        columns = [*Finding.where, "task", "task_rows", "answer", "answer_field"]
        is_json = (pl.col("task_shape") == "json") & pl.col("answer").str.contains(r"^\s*[{\[]")
        doubtful = examples.filter(is_json & ~pl.col("answer").str.contains(_FLAT_JSON)).select(*columns, percent=pl.lit(None, pl.Int64))
        prose = examples.filter((pl.col("task_shape") != "json") & stops_midway(context))
        percent = (pl.col("punctuated_share") * 100).floor().cast(pl.Int64)
        return pl.concat([doubtful, prose.select(*columns, percent=percent)])

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.filter(pl.col("percent").is_not_null()).iter_rows(named=True):
            shown = shorten_end(row["answer"], 33)
            message = f"the answer is cut off at '{shown}'; {row['percent']}% of the task's answers end in punctuation"
            yield Finding.at(row, message, field=row["answer_field"])
        for rows in found.filter(pl.col("percent").is_null()).partition_by("task", maintain_order=True):
            broken = [(row, error) for row in rows.iter_rows(named=True) if (error := _error(row["answer"])) is not None]
            if len(broken) <= max(_MAX_BROKEN * rows["task_rows"][0], 2):  # else it is a dialect of JSON, and on purpose
                yield from (_broken(row, *error) for row, error in broken)

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer is cut off in mid-sentence")


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
        message = f"the JSON answer is cut off at '{shorten_end(answer, 33)}'"
        span = (len(answer) - 1, len(answer))
    else:
        shown = shorten(answer, 20, span=(position, min(position + 20, len(answer))))
        where = f"at character {position + 1:,}, '{shown}'"
        message = f"the JSON answer does not parse: {reason[:1].lower()}{reason[1:]} {where}"
        span = (position, position + 1)
    return Finding.at(row, message, field=row["answer_field"], span=span, severity=Severity.ERROR)
