"""LEK401 SplitLeakExact."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.groups import SPLIT_ORDER, grouped, ids, one_split_only, place
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from templates.form import Form

_KEYS = ("template", "leak_key")


class SplitLeakExact(Rule):
    """A validation or test row whose input also appears in train.

    ## What it does
    Compares normalised inputs (of plain text: the texts) across train, validation and test, or between a training file and the file of
    --test. Reports each evaluation row that an earlier split contains too, with any answer.

    ## Why is this bad
    The row measures memory, not skill: scores rise and mean nothing, and may rank the worse of two models first.

    ## Example
    `Do you rent helmets?` on line 24 of train.jsonl and on line 5 of test.jsonl.

    ## Fix safety
    Unsafe: `prep fix propose` drafts dropping the train row, so the evaluation stays the same.
    """

    code = "LEK401"
    severity = Severity.ERROR
    columns = ("template", "split", "input_key", "answer_key", "form")
    remedy = "Drop the row from train; for a built dataset accept the draft of `prep fix propose`."

    def unavailable(self, context: Context) -> str | None:
        return one_split_only(context)

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        leak_key = pl.when(pl.col("form") == Form.COMPLETION).then(pl.col("answer_key")).otherwise(pl.col("input_key"))
        return (
            examples.select(*Finding.where, "position", "template", "split", leak_key=leak_key)
            .filter(pl.col("leak_key").is_not_null())
            .filter(pl.col("split").n_unique().over(_KEYS) > 1)
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for group in grouped(found, _KEYS):
            for row in group:
                earlier = [other for other in group if SPLIT_ORDER[other["split"]] < SPLIT_ORDER[row["split"]]]
                if earlier:
                    message = f"this {row['split']} row also appears in {earlier[0]['split']}, at {place(earlier[0])}"
                    yield Finding.at(row, message, related=ids(sorted(earlier, key=lambda other: SPLIT_ORDER[other["split"]])))

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        copy = next((row for row in subject.related if row["split"] == "train"), None)
        if copy is None:
            return None
        return Draft("drop", "the row also appears in an evaluation split; drop it from train", row_id=copy["row_id"], id=copy["id"])
