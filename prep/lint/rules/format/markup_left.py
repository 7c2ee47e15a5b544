"""FMT008 MarkupLeft."""

import html
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.base.texts import TEXT_COLUMNS, span_finding, texts
from prep.lint.frame.tasks import ONE_TASK
from prep.pii.masking import shorten
from prep.text.edits import edit_texts

_TAG = (
    r"</?(?:br|p|div|span|b|i|u|s|em|strong|small|big|a|img|ul|ol|li|dl|dt|dd|table|tbody|thead|tr|td|th|h[1-6]|font|center|blockquote|hr|sup|sub"
    r"|html|body|head|section|article|header|footer|nav|main|label|button|form|iframe|script|style|pre|del|ins|mark|figure|video)"
    r"(?:\s[^<>]{0,300})?\s?/?>|<!--(?:[^-]|-[^-]){0,300}-->"
)
_ENTITY = r"&(?:[A-Za-z][A-Za-z0-9]{1,8}|#[0-9]{2,6}|#[xX][0-9a-fA-F]{2,6});"
# Bounded repetition makes a large automaton: the sieve over whole columns does without, and the rows that pass are looked at exactly.
_SIEVE = r"</?[a-zA-Z]|<!--|&[A-Za-z][A-Za-z0-9]+;|&#[xX0-9]|^\s*https?://\S+\s*(?:https?://|$)"
_MARKUP = re.compile(f"(?i:{_TAG})|{_ENTITY}")
_BREAK_TAG = r"(?:<br\s?/?>|</?(?:p|div)(?:\s[^<>]{0,300})?>)"
_BREAK = re.compile(rf"(?i)\s*{_BREAK_TAG}(?:\s*{_BREAK_TAG})*\s*")
_ANY_TAG = re.compile(f"(?i){_TAG}")
# Text about markup, and code, hold tags on purpose.
_ABOUT_MARKUP = re.compile(
    r"(?i)```|\b(?:html|xml|css|svg|markup|javascript|jsx|php|xpath|regex|web ?page|website|hyperlink|tags?)\b|<!doctype|<html|</script"
    r"|\bdef |\bimport |</?code"
)
# In rows of one task a caller who speaks of a website does not speak of markup.
_IS_CODE = re.compile(r"(?i)```|(?<![</.])\b(?:html|xml|css|svg|javascript|jsx|php|xpath|regex)\b|<!doctype|\bdef |\bimport |</?code")
_HABIT_SHARE = 0.2
_NO_COLUMNS = frozenset({"messages", "conversations", "prompt"})  # of a chat or a built dataset: the source's column is not known
_IS_BREAK = re.compile(rf"(?i){_BREAK_TAG}")
_LEAST_BREAKS = 2  # of a conversation of three turns
_COLUMN = re.compile(r"\w+")
_URL = re.compile(r"https?://\S+")


class MarkupLeft(Rule):
    """HTML tags or entities in text, or a text of URLs only.

    ## What it does
    Finds HTML tags (`<br>`, `<b>`, `<p>`, ...) and entities (`&amp;`, `&#39;`), except in rows about HTML or with code. Also reports an
    input of URLs only, without an instruction. If a fifth of a task's rows have markup, such as `<BR>` between the turns of a call, it
    is reported once as a warning, and each row as information.

    ## Why is this bad
    The model learns to write tags, and sees clean text at inference. `&amp;` costs tokens and adds nothing.

    ## Example
    `Stayed for the crumble.<br /><br />Lovely.`

    ## Fix safety
    Unsafe: the drafted edit turns line-break tags into whitespace, removes other tags and decodes entities. A person accepts it,
    because the row may be about the tag.
    """

    code = "FMT008"
    severity = Severity.WARNING
    columns = (*TEXT_COLUMNS, "task", "task_rows", "template")
    remedy = "Strip the markup in the source, or accept the draft of `prep fix propose`."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return texts(examples.with_columns(one_task=ONE_TASK)).filter(pl.col("text").str.contains(_SIEVE))

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        findings = [(row, finding) for row in found.iter_rows(named=True) if (finding := _look(row)) is not None]
        rows = Counter(row["task"] for row, _ in findings)
        told: set[str] = set()
        for row, finding in findings:
            task = row["task"]
            if not row["one_task"] or rows[task] <= max(_HABIT_SHARE * row["task_rows"], 10):
                yield finding
                continue
            # What a good part of a task's rows have, such as <BR> between turns, is one thing to fix, and reported once.
            if task not in told:
                told.add(task)
                message = f"{finding.message}, in {rows[task]:,} of the {row['task_rows']:,} rows of its task"
                yield Finding(message, source=row["source"], field=finding.field, remedy=finding.remedy)
            yield replace(finding, severity=Severity.INFO)

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        fields = edit_texts(subject.fields, strip_markup)
        return Draft("edit", "HTML markup stripped", fields) if fields else None


def _look(row: Mapping[str, Any]) -> Finding | None:
    about = _IS_CODE if row["one_task"] else _ABOUT_MARKUP
    if any(about.search(row[part] or "") for part in ("system", "input", "answer")):
        return None
    matches = [match for match in _MARKUP.finditer(row["text"]) if match[0][0] != "&" or html.unescape(match[0]) != match[0]]
    if matches:
        kinds = ", ".join(dict.fromkeys(shorten(row["text"], 20, span=match.span()) for match in matches[:4]))
        finding = span_finding(row, *matches[0].span(), f"HTML markup in the text: {kinds}")
        breaks = [match[0] for match in matches if _IS_BREAK.fullmatch(match[0])]
        are_turns = row["part"] == "input" and len(breaks) >= _LEAST_BREAKS and len(breaks) == len(matches)
        return replace(finding, remedy=_turns_remedy(finding.field, breaks[0])) if are_turns else finding
    if row["part"] == "input" and not row["system"] and all(map(_URL.fullmatch, row["text"].split())):
        return span_finding(row, 0, len(row["text"]), "the text is nothing but URLs")
    return None


def _turns_remedy(field: str | None, tag: str) -> str:
    """Returns what to do where a tag may stand between the turns of a conversation: cut there, the text needs no mending."""
    column = field if field and _COLUMN.fullmatch(field) and field not in _NO_COLUMNS else "COLUMN"
    separator = "" if tag.upper() == "<BR>" else f", style: separator, separator: '{tag}'"
    return (
        f"If {tag} divides the turns of a conversation, add `turns: {{field: {column}{separator}}}` to its source in the build config: it "
        "makes a list of them, for a template with 'turns' such as calls/summary. Else strip the markup in the source, or accept the "
        "draft of `prep fix propose`."
    )


def strip_markup(text: str) -> str:
    """Returns the text with line-break tags as white space, other tags removed and entities decoded."""
    if not _MARKUP.search(text):
        return text
    line_break = "\n" if "\n" in text else " "
    text = _BREAK.sub(line_break, text)
    return html.unescape(_ANY_TAG.sub("", text)).replace("\u00a0", " ").strip()
