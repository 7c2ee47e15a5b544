"""FMT004 BadWeight."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.pii.masking import shorten


class BadWeight(Rule):
    """A message weight that is not 0 or 1, is on another role, or leaves nothing to train.

    ## What it does
    Checks each message's `weight`: the integer 0 or 1, on assistant messages only, and at least one assistant message with weight 1.

    ## Why is this bad
    Providers refuse the file. Trainers that accept it read 0.5 or `true` each in their own way.

    ## Example
    `{"role": "assistant", "content": "Yes.", "weight": 0.5}`

    ## Fix safety
    No draft: `prep build` writes `true` and `1.0` as 1, and drops rows with other numbers with a reason. If all weights of a row are 0,
    a person decides which answers it should teach. Files that no build wrote are not rewritten.
    """

    code = "FMT004"
    severity = Severity.ERROR
    columns = ("messages", "weights", "input_field")
    remedy = "Use the integers 0 or 1, on assistant messages only, with at least one 1."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return examples.filter(pl.col("weights").is_not_null()).select(*Finding.where, "messages", "weights", "input_field")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.iter_rows(named=True):
            sound = True
            for index, (message, weight) in enumerate(zip(row["messages"], row["weights"], strict=True)):
                where = f"{row['input_field']}[{index}].weight"
                if weight is None:
                    continue
                if message["role"] != "assistant":
                    sound = False
                    yield Finding.at(row, f"weight is on a message of the role '{shorten(message['role'], 20)}'", field=where)
                elif weight not in {"0", "1"}:
                    sound = False
                    yield Finding.at(row, f"weight is {shorten(weight)}, not 0 or 1", field=where)
            answers = [weight for message, weight in zip(row["messages"], row["weights"], strict=True) if message["role"] == "assistant"]
            if sound and answers and all(weight == "0" for weight in answers):
                yield Finding.at(row, "every assistant message has weight 0: nothing is trained", field=row["input_field"])
