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
    """The same example once more.

    ## What it does
    Compares the examples of a template and split by the 128-bit hash of their normalised input and answer (NFKC, case folded, white
    space collapsed) and reports every copy after the first. The instruction that a task's rows share does not count, so that a copy under
    a variant of it is found. A copy in another split is LEK401's to report, another answer to the same input CON201's. A row that the
    build renders more than once, as `resample: {how: over}` asks for, is no copy of itself.

    ## Why is this bad
    Copies weigh double in training and are learned by heart (Lee et al. 2022); in an evaluation split they count one case twice.

    ## Example
    `"Great soup, slow waiter"` -> `positive` on line 12, and `"GREAT SOUP,  slow waiter"` -> `positive` on line 340.

    ## Fix safety
    Safe: dropping the later copy loses nothing but its weight.
    """

    code = "DUP301"
    severity = Severity.WARNING
    columns = ("template", "split", "input_key", "answer_key", "form")
    remedy = "Drop the copy: `dedup: {exact: true}` in the config, or accept the fix that `prep fix propose` drafts."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        comparable = pl.col("answer_key").is_not_null() & (pl.col("input_key").is_not_null() | (pl.col("form") == Form.COMPLETION))
        return examples.select(*Finding.where, "position", "form", *_KEYS).filter(comparable).filter(pl.len().over(_KEYS) > 1)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for first, *copies in grouped(found, _KEYS):
            rows = {first["row_id"]}
            for copy in copies:
                if copy["row_id"] not in rows:
                    rows.add(copy["row_id"])
                    yield Finding.at(copy, f"the same input and answer as {place(first)}", related=ids([first]))

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return Draft("drop", "a copy of another row", safe=True)
