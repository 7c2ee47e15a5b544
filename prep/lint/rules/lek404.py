"""LEK404 GroupLeak."""

from collections.abc import Iterable

import polars as pl

from prep.lint.context import Context
from prep.lint.groups import SPLIT_ORDER, grouped, ids, one_split_only, place
from prep.lint.rule import Finding, Rule, Severity


class GroupLeak(Rule):
    """A group - a patient, a customer, a contract - with rows in two splits.

    ## What it does
    Reports each evaluation row whose `group` (the column named in the config) has rows in an earlier split too.

    ## Why is this bad
    Rows of one customer resemble each other: a model that has seen the others of a group does better on this one than on a stranger's,
    and the score promises what use will not keep.

    ## Example
    Customer 4483 has two calls in train and one in test.

    ## Fix safety
    Safe to split again, and so none is drafted row by row: `group:` in the config keeps all groups whole at the next build.
    """

    code = "LEK404"
    severity = Severity.ERROR
    columns = ("group", "split")
    remedy = (
        "Give every source of the config its `group:` column, so that the split keeps groups whole, or drop the group's rows from train."
    )

    def unavailable(self, context: Context) -> str | None:
        if not context.built:
            return "a foreign file names no groups"
        return one_split_only(context)

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return (
            examples.select(*Finding.where, "position", "group", "split")
            .filter(pl.col("group").is_not_null())
            .filter(pl.col("split").n_unique().over("group") > 1)
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for group in grouped(found, ("group",)):
            for row in group:
                earlier = [other for other in group if SPLIT_ORDER[other["split"]] < SPLIT_ORDER[row["split"]]]
                if earlier:
                    others = "another row" if len(earlier) == 1 else f"{len(earlier):,} rows"
                    where = f"{earlier[0]['split']}, at {place(earlier[0])}"
                    message = f"group '{row['group']}' of this row of {row['split']} has {others} in {where}"
                    yield Finding.at(row, message, field="group", related=ids(earlier))
