"""FMT008 MarkupLeft."""

import html
import re
from collections.abc import Iterable

import polars as pl

from prep.lint.context import Context
from prep.lint.drafts import edit_texts
from prep.lint.rule import Draft, Finding, Rule, Severity, Subject
from prep.lint.texts import TEXT_COLUMNS, span_finding, texts

_TAG = (
    r"</?(?:br|p|div|span|b|i|u|s|em|strong|small|big|a|img|ul|ol|li|table|tbody|thead|tr|td|th|h[1-6]|font|center|blockquote|hr|sup|sub)"
    r"(?:\s[^<>]{0,300})?\s?/?>"
)
_ENTITY = r"&(?:amp|lt|gt|quot|apos|nbsp|mdash|ndash|hellip|rsquo|lsquo|rdquo|ldquo|bull|copy|eacute|#[0-9]{2,6}|#[xX][0-9a-fA-F]{2,6});"
# Bounded repetition makes a large automaton: the sieve over whole columns does without, and the rows that pass are looked at exactly.
_SIEVE = r"</?[a-zA-Z]|&[a-z]{2,6};|&#[xX0-9]|^\s*https?://\S+\s*(?:https?://|$)"
_MARKUP = re.compile(f"(?i:{_TAG})|{_ENTITY}")
_BREAK_TAG = r"(?:<br\s?/?>|</?(?:p|div)(?:\s[^<>]{0,300})?>)"
_BREAK = re.compile(rf"(?i)\s*{_BREAK_TAG}(?:\s*{_BREAK_TAG})*\s*")
_ANY_TAG = re.compile(f"(?i){_TAG}")
# Text about markup, and code, hold tags on purpose.
_ABOUT_MARKUP = re.compile(
    r"(?i)```|\b(?:html|xml|css|svg|markup|javascript|jsx|php|xpath|regex|web ?page|website|hyperlink|tags?)\b|<!doctype|<html|</script"
    r"|\bdef |\bimport |</?code"
)
_URL = re.compile(r"https?://\S+")


class MarkupLeft(Rule):
    """HTML tags or entities left in text, or a text that is nothing but addresses.

    ## What it does
    Finds tags of running text (`<br>`, `<b>`, `<p>`, ...) and entities (`&amp;`, `&#39;`), except in rows that speak of HTML or hold
    code. An input that consists of URLs alone, without an instruction, is reported too.

    ## Why is this bad
    The model learns to write tags, and meets clean text in use; `&amp;` costs tokens and says nothing.

    ## Example
    `Stayed for the crumble.<br /><br />Lovely.`

    ## Fix safety
    A proposed edit turns line-break tags into white space, removes the other tags and decodes the entities. A person accepts it,
    because a tag can be what a row is about.
    """

    code = "FMT008"
    severity = Severity.WARNING
    columns = TEXT_COLUMNS
    remedy = "Strip the markup in the source, or accept the repair that `prep fix propose` drafts."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return texts(examples).filter(pl.col("text").str.contains(_SIEVE))

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.iter_rows(named=True):
            if any(_ABOUT_MARKUP.search(row[part] or "") for part in ("system", "input", "answer")):
                continue
            matches = list(_MARKUP.finditer(row["text"]))
            if matches:
                kinds = ", ".join(dict.fromkeys(match[0][:20] for match in matches[:4]))
                yield span_finding(row, matches[0].start(), matches[-1].end(), f"markup is left in the text: {kinds}")
            elif row["part"] == "input" and not row["system"] and all(map(_URL.fullmatch, row["text"].split())):
                yield span_finding(row, 0, len(row["text"]), "the text is nothing but web addresses")

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        fields = edit_texts(subject.fields, strip_markup)
        return Draft("edit", "markup stripped", fields) if fields else None


def strip_markup(text: str) -> str:
    """Returns the text with line-break tags as white space, other tags removed and entities decoded."""
    if not _MARKUP.search(text):
        return text
    line_break = "\n" if "\n" in text else " "
    text = _BREAK.sub(line_break, text)
    return html.unescape(_ANY_TAG.sub("", text)).replace("\u00a0", " ").strip()
