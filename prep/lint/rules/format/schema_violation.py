"""FMT002 SchemaViolation."""

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Severity
from prep.lint.base.rule import DefectRule


class SchemaViolation(DefectRule):
    """Valid JSON that does not fit its training format.

    ## What it does
    Recognises each record's format by its keys (chat messages, prompt and completion, choices, text, Alpaca, ShareGPT, preference
    pairs) and reports what does not fit: only unknown keys, `messages` that is not a list, an unknown role, content that is not text, a
    label that is not an index into the choices, a duplicate key.

    ## Why is this bad
    A trainer reads such a record as something else, or fails an hour into the run.

    ## Example
    `{"prompt": "Review: ...", "choices": ["negative", "positive"], "label": 2}` - there is no third choice.

    ## Fix safety
    Never fixed automatically: a person decides what was meant, and files that no build wrote are not rewritten. A built dataset has no
    such record: the build drops it with the reason, and FMT001 reports it.
    """

    code = "FMT002"
    severity = Severity.ERROR
    columns = ()
    remedy = "Rewrite the record in the format of the other rows."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return self.nothing(examples)
