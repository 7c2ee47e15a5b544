"""FMT007 Mojibake."""

import re
from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.base.texts import TEXT_COLUMNS, span_finding, texts
from prep.pii.masking import mask_near
from prep.text.edits import edit_texts
from prep.text.mojibake import SIEVE, damaged_spans, repair

_LOST = re.compile("\ufffd+")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f]+")


class Mojibake(Rule):
    """Encoding damage: UTF-8 read as Latin-1, characters lost to U+FFFD, control characters.

    ## What it does
    Finds sequences such as `Ã©` and `â€™` and verifies each by decoding it back to UTF-8, so correct text with accents is not reported.
    Also finds the replacement character U+FFFD, where the original is lost, and control characters.

    ## Why is this bad
    The model spends capacity on broken characters, learns to write them, and sees clean text at inference.

    ## Example
    `crÃ¨me brÃ»lÃ©e` was `crème brûlée`.

    ## Fix safety
    Safe if the text decodes back to UTF-8, which hardly happens by chance: `prep lint --fix` restores the original. Lost characters and
    control characters are not fixed: the original is unknown.
    """

    code = "FMT007"
    severity = Severity.WARNING
    columns = TEXT_COLUMNS
    fixes_files = True
    remedy = "Read the source with the right encoding; in a built dataset `prep lint --fix` restores what can be decoded."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return texts(examples).filter(pl.col("text").str.contains(SIEVE))

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.iter_rows(named=True):
            text = row["text"]
            spans = damaged_spans(text)
            if spans:
                masked, (low, high) = mask_near(text, spans[0])
                shown = masked[max(low - 10, 0) : high + 10]
                yield span_finding(row, *spans[0], f"'{shown}' is UTF-8 read as Latin-1; the original is '{repair(shown)}'")
            elif match := _LOST.search(text):
                yield span_finding(row, *match.span(), "a character was lost to U+FFFD when the text was decoded")
            elif match := _CONTROL.search(text):
                yield span_finding(row, *match.span(), f"control character U+{ord(match[0][0]):04X}")

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        fields = edit_texts(subject.fields, repair)
        return Draft("edit", "decoded back to UTF-8", fields, safe=True) if fields else None
