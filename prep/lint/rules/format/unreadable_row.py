"""FMT001 UnreadableRow."""

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Severity
from prep.lint.base.rule import DefectRule


class UnreadableRow(DefectRule):
    """A line that is no valid JSON, no valid UTF-8, or that the build had to drop.

    ## What it does
    Reports each line of a training file that a strict reader refuses: broken JSON, NaN, NUL bytes, bytes that are not UTF-8, half a
    surrogate pair, nesting past what parsers take. A byte order mark is reported as information. For a built dataset it reports the raw
    rows that the build could not use, as warnings, because they are out of the data already; rows that are empty are information.

    ## Why is this bad
    Trainers either stop at such a line or skip it without a word, and what was to be learned from it is lost.

    ## Example
    `{"messages": [{"role": "user", "content": "Hi"}` - the line breaks off before the closing brackets.

    ## Fix safety
    Never fixed automatically: what the rest of a broken line said is not known. A byte order mark is skipped by every reader here, so that
    a built dataset has none left to fix.
    """

    code = "FMT001"
    severity = Severity.ERROR
    columns = ()
    remedy = "Mend or remove the line in the source file."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return self.nothing(examples)
