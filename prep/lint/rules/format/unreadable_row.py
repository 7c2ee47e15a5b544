"""FMT001 UnreadableRow."""

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Severity
from prep.lint.base.rule import DefectRule


class UnreadableRow(DefectRule):
    """A row that cannot be read: invalid JSON, invalid UTF-8, or dropped by the build.

    ## What it does
    Reports each line of a training file that a strict reader refuses: broken JSON, NaN, NUL bytes, bytes that are not UTF-8, half a
    surrogate pair, or nesting deeper than parsers allow. A byte order mark is information. For a built dataset it reports the raw rows
    that the build dropped: as warnings, because the dataset no longer contains them, and as information if the row was empty.

    ## Why is this bad
    Trainers either stop at such a line or skip it silently, and its content is lost.

    ## Example
    `{"messages": [{"role": "user", "content": "Hi"}` - the line breaks off before the closing brackets.

    ## Fix safety
    Never fixed automatically: the rest of a broken line is unknown. Every reader here skips a byte order mark, so a built dataset has
    none left to fix.
    """

    code = "FMT001"
    severity = Severity.ERROR
    columns = ()
    remedy = "Fix or remove this line in the source file."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return self.nothing(examples)
