"""LEK405 AnswerInPrompt."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.frame.tasks import ONE_TASK
from prep.pii.masking import shorten
from templates.form import JUDGED

# Words that announce the answer to a question about the text, as fields of a form or of an annotated file do.
_ANNOUNCE = (
    r"(?:label|answer|sentiment|category|class|intent|target|completion|output|response|solution|verdict|polarity|gold|ground[ _-]truth"
    r"|classification|prediction|expected(?: \w+)?|correct(?: \w+)?|result|hint|tag|topic|rating|summary|title|note|json"
    r"|\u6807\u7b7e|\u7b54\u6848|\u6807\u9898|etikett|antwort|respuesta|r\u00e9ponse|etiqueta)"
)
_AFTER = r"[\"'\u201c\u201d)\]*]{0,3}\s{0,3}(?:is|are|was|[=:\uff1a>\u2013(-]|->|=>){1,2}[\s\"'\u201c\u2018(\[*`]{0,4}"
_BEFORE_ANSWER = re.compile(rf"(?:{_ANNOUNCE}{_AFTER}|(?:->|=>|\u2192|#{{2,}}|\|)\s{{0,3}})$", re.IGNORECASE)
# "= positive" at the very end of a text; a number behind it would be the result of a sum.
_EQUALS = re.compile(r"(?:^|\s)={1,2}\s{0,3}$")
_MORE_CHOICES = re.compile(r"\s{0,2}(?:/|\||or\b|vs\b|versus\b|,[^.\n]{1,40}\bor\b)", re.IGNORECASE)
_OPENS = re.compile(r"(?:^|\n)[\s\"'\[(<*#]{0,4}$")
_CLOSES = re.compile(r"[\s\"'\])>*.!]{0,4}(?:\n|$)")
_SPACE = re.compile(r"\s+")
_WORD_END = re.compile(r"\w")
_MAX_MATCHES = 20
_MAX_LABEL = 60
_MIN_BRIEF = 3


class AnswerInPrompt(Rule):
    """A prompt that contains its own answer.

    ## What it does
    In tasks with a fixed answer set, reports a prompt that gives away its answer: behind a marker ("Label: positive", "-> positive";
    also for a value of a JSON answer), alone on the first or last line, or as a code such as `card_arrival` that nobody writes by
    chance. In other tasks, reports longer answers that appear in full in their prompts; within running text, or in a mix of questions,
    that is information. Text that all rows of a task share, such as a list of labels, does not count. Tasks whose answers usually come
    from the prompt (extraction, multiple choice) are skipped.

    ## Why is this bad
    The model learns to copy. Its loss looks excellent, and at inference there is no answer to copy.

    ## Example
    `Great soup, slow waiter. Label: positive` -> `positive`.

    ## Fix safety
    Never fixed automatically: a person has to see what else in the prompt comes from the answer.
    """

    code = "LEK405"
    severity = Severity.WARNING
    columns = ("task", "task_rows", "template", "system", "is_closed_set", "form", "input_body", "input", "answer", "input_field")
    remedy = "Remove the answer from the prompt, or drop the row."
    thresholds = (
        Threshold("min_characters", 25, "shorter answers (a name, an amount, a yes) are in their inputs by chance"),
        Threshold("usual", 0.2, "if a fifth of the answers are in their inputs, copying is the task; in extraction nearly all are"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        answer = _normal(pl.col("answer"))
        body = _normal(pl.col("input_body"))
        asked = examples.filter((pl.col("answer") != "") & (pl.col("input_body") != "") & ~pl.col("form").is_in(JUDGED))
        length = answer.str.len_chars()
        is_json = answer.str.starts_with("{")
        holds = body.str.contains(answer, literal=True)
        label = pl.col("is_closed_set") & ~is_json & (length <= _MAX_LABEL) & holds
        # Of a JSON answer the first and the last value are looked for: an intent, a label and its certainty.
        first, last = (answer.str.extract(rf'{begin}:\s?"([^"]{{3,60}})"') for begin in ("", "(?s).*"))
        value = is_json & (body.str.contains(first, literal=True) | body.str.contains(last, literal=True)).fill_null(value=False)
        free = (~pl.col("is_closed_set") | is_json) & holds
        whole = free & (length >= context.threshold(self, "min_characters"))
        # A shorter answer stands in its prompt by chance; behind "Answer:" it does not.
        brief = free & (length >= _MIN_BRIEF) & body.str.contains(rf"(?i)(?:{_ANNOUNCE}|->|=>)[^\n]{{0,12}}")
        return asked.filter(label | value | whole | brief).select(
            *Finding.where, "task", "task_rows", "input_body", "input", "answer", "input_field", label=label, whole=whole, mixed=~ONE_TASK
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        usual = context.threshold(self, "usual")
        for rows in found.partition_by("task", maintain_order=True):
            given = [(row, place) for row in rows.iter_rows(named=True) if (place := _given_away(row)) is not None]
            # A marker in most rows is a leak all the same where answers are labels; a summary that most inputs hold is an extract.
            extracts = sum(not row["label"] for row, _ in given) > max(2, usual * rows["task_rows"][0])
            for row, (start, end) in given:
                if extracts and not row["label"]:
                    continue
                shown = shorten(row["input_body"], 60, span=(start, end))
                # Within a text an answer may be its best sentence; set apart from it, somebody put it there.
                put_there = not row["mixed"] and (not row["whole"] or _set_apart(row["input_body"], start, end))
                message = f"the prompt contains its own answer: '{shown}'"
                yield Finding.at(
                    row, message, field=row["input_field"], span=_span(row, start, end), severity=None if put_there else Severity.INFO
                )


def _normal(text: pl.Expr) -> pl.Expr:
    return text.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def _span(row: dict[str, Any], start: int, end: int) -> tuple[int, int] | None:
    """Where the place stands in the input, if that is one text: among messages the list alone is named."""
    if row["input_field"] in {"messages", "conversations"}:
        return None
    offset = row["input"].find(row["input_body"])
    return None if offset < 0 else (offset + start, offset + end)


def _given_away(row: dict[str, Any]) -> tuple[int, int] | None:
    """Returns where in the body the answer is given away, or None."""
    body, answer = row["input_body"], row["answer"].strip()
    if row["label"]:
        return next(_announced(body, [answer], alone=True), None)
    if row["whole"]:
        pattern = r"\s+".join(re.escape(word) for word in answer.split())
        match = re.search(pattern, body, re.IGNORECASE)
        whole = match is not None and (match.start() > 0 or match.end() < len(body.rstrip()))
        return match.span() if match is not None and whole else None
    values = [value for value in _values(answer) or [answer] if len(value) >= 3]
    return next(_announced(body, values, alone=False), None)


def _set_apart(body: str, start: int, end: int) -> bool:
    """Says whether a place begins or ends the text as a sentence of its own, is a line, or follows a marker."""
    before, after = body[:start].rstrip(" \t\"'"), body[end:].strip(" \t\"')].")
    if _BEFORE_ANSWER.search(body[max(0, start - 40) : start]):
        return True
    begins = not before or before[-1] in ".!?:\n\u3002\uff01\uff1f\uff1a)>"
    return begins and (not after or after[0] == "\n" or not before)


def _values(answer: str) -> list[str]:
    """Returns the texts of a JSON answer, nested ones too."""
    try:
        waiting = [json.loads(answer)]
    except (ValueError, RecursionError):
        return []
    found = []
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.append(value.strip())
        elif isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return found


def _announced(body: str, answers: list[str], *, alone: bool) -> Iterator[tuple[int, int]]:
    """Yields where an answer stands behind a marker, alone on the first or last line, or as a code, and not among others."""
    for answer in answers:
        code = "_" in answer and len(answer) >= 6
        for count, match in enumerate(re.finditer(re.escape(answer), body, re.IGNORECASE)):
            if count >= _MAX_MATCHES:
                break
            start, end = match.span()
            before, after = body[max(0, start - 40) : start], body[end : end + 12]
            if (before and _WORD_END.match(before[-1])) or (after and _WORD_END.match(after[0])):
                continue
            if _MORE_CHOICES.match(body[end : end + 60]):
                continue
            marker = _BEFORE_ANSWER.search(before) or (_EQUALS.search(before) if alone and not after.strip() else None)
            lonely = alone and len(answer) > 1 and len(body) > 2 * len(answer) and _lonely(body, start, end)
            if marker or code or lonely:
                yield (start - len(marker[0]) if marker else start), end


def _lonely(body: str, start: int, end: int) -> bool:
    """Says whether a place is a whole line, the first or the last of several, or stands in brackets at the very end."""
    opens, closes = _OPENS.search(body[:start]) is not None, _CLOSES.match(body[end:]) is not None
    is_line = opens and closes and "\n" in body.strip()
    first, last = not body[:start].strip(" \n\"'[(<*#"), not body[end:].strip(" \n\"'])>*.!")
    bracketed = last and body[:start].rstrip(" \"'")[-1:] in {"[", "(", "<", "#"} and body[end:].lstrip(" \"'")[:1] in {"]", ")", ">", ""}
    return (is_line and (first or last)) or bracketed
