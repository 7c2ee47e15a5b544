"""FMT002 SchemaViolation."""

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Severity
from prep.lint.base.rule import DefectRule


class SchemaViolation(DefectRule):
    """A record that is valid JSON but does not fit its training format.

    ## What it does
    Tells each record's format from its keys (chat messages, prompt and completion, choices, text, alpaca, ShareGPT, preference pairs)
    and reports what does not fit it: unknown keys only, `messages` that is no list, an unknown role, content that is no text, a label
    that is no index into the choices, a key that stands twice.

    ## Why is this bad
    A trainer reads such a record as something else, or fails an hour into the run.

    ## Example
    `{"prompt": "Review: ...", "choices": ["negative", "positive"], "label": 2}` - there is no third choice.

    ## Fix safety
    Never fixed automatically: what was meant is for a person to say, and files made elsewhere are not rewritten. A built dataset has none:
    the build leaves such a record out, with the reason, and FMT001 reports it.
    """

    code = "FMT002"
    severity = Severity.ERROR
    columns = ()
    remedy = "Bring the record into the format of the others."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return self.nothing(examples)
