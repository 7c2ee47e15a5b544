"""FMT009 CarriageReturn."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.base.texts import TEXT_COLUMNS, part_name, span_finding, texts
from prep.text.edits import edit_texts
from prep.text.newlines import normalise_newlines


class CarriageReturn(Rule):
    r"""Carriage returns in a text: line ends of Windows or of old Macs.

    ## What it does
    Finds `\r` within the input, the answer, the rejected answer or the system message; one finding a row, at its first place.

    ## Why is this bad
    `\r\n` and `\n` are different tokens. The model learns to write carriage returns, texts that only differ in them look different, and
    what it meets in use has none.

    ## Example
    `The chair came.\r\nIt broke.` from a CSV that was saved on Windows.

    ## Fix safety
    Safe: `prep lint --fix` writes `\n` for each `\r\n` and `\r`. `newlines: normalise` under `sources:` in the config does the same when
    the file is read.
    """

    code = "FMT009"
    severity = Severity.WARNING
    columns = TEXT_COLUMNS
    fixes_files = True
    remedy = "Set 'newlines: normalise' for the source in the config; or run prep lint --fix."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        found = texts(examples).filter(pl.col("text").str.contains("\r", literal=True))
        return found.unique("id", keep="first", maintain_order=True)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.iter_rows(named=True):
            text = row["text"]
            start, count = text.index("\r"), text.count("\r")
            number = "a carriage return" if count == 1 else f"{count:,} carriage returns"
            yield span_finding(row, start, start + 1, f"{number} (\\r) in the {part_name(row)}")

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        fields = edit_texts(subject.fields, normalise_newlines)
        return Draft("edit", "line ends normalised", fields, safe=True) if fields else None
