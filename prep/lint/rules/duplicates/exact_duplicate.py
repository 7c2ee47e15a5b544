"""DUP301 ExactDuplicate."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.groups import grouped, ids, place
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from templates.form import Form

_KEYS = ("template", "split", "input_key", "answer_key")


class ExactDuplicate(Rule):
    """Exact duplicate of another example.

    ## What it does
    Compares the examples of each template and split by the 128-bit hash of their normalised input and answer (NFKC, case folded,
    whitespace collapsed) and reports every copy after the first. The instruction that a task's rows share is ignored, so a copy under a
    variant of it is found too. LEK401 reports copies in another split, CON201 other answers to the same input. Rows that the build
    repeats on purpose (`resample: {how: over}`) are not copies.

    ## Why is this bad
    Duplicates weigh double in training and are memorised (Lee et al. 2022). In an evaluation split they count one case twice.

    ## Example
    `"Great soup, slow waiter"` -> `positive` on line 12, and `"GREAT SOUP,  slow waiter"` -> `positive` on line 340.

    ## Fix safety
    Safe: dropping the later copy loses only its weight.
    """

    code = "DUP301"
    severity = Severity.WARNING
    columns = ("template", "split", "input_key", "answer_key", "form")
    quotes_input = True
    fixes_files = True
    remedy = "Drop the duplicate: `dedup: {exact: true}` in the config, or accept the draft of `prep fix propose`."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        comparable = pl.col("answer_key").is_not_null() & (pl.col("input_key").is_not_null() | (pl.col("form") == Form.COMPLETION))
        return examples.select(*Finding.where, "position", "form", *_KEYS).filter(comparable).filter(pl.len().over(_KEYS) > 1)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for first, *copies in grouped(found, _KEYS):
            rows = {first["row_id"]}
            for copy in copies:
                if copy["row_id"] not in rows:
                    rows.add(copy["row_id"])
                    yield Finding.at(copy, f"exact duplicate of {place(first)}", related=ids([first]))

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return Draft("drop", "exact duplicate of another row", safe=True)
