"""LEK404 GroupLeak."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.groups import SPLIT_ORDER, grouped, ids, one_split_only, place
from prep.lint.base.rule import Rule


class GroupLeak(Rule):
    """A group (a patient, a customer, a contract) with rows in two splits.

    ## What it does
    Reports each evaluation row whose `group` (the column named in the config) also has rows in an earlier split.

    ## Why is this bad
    Rows of one customer are alike. A model that has seen other rows of the group does better on this one than on a new customer's, and
    the score is too optimistic.

    ## Example
    Customer 4483 has two calls in train and one in test.

    ## Fix safety
    Rows are not edited. The build keeps groups whole when it splits, so a group in two splits comes from a source with a fixed `split:`
    in the config. Remove it, and all rows are split by group. That is safe for the rows but changes the evaluation, so you do it
    yourself. To keep a hold-out file as it is, drop the group's rows from train instead.
    """

    code = "LEK404"
    severity = Severity.ERROR
    columns = ("group", "split")
    remedy = "Remove `split:` from the sources in the config, so that rows are split by group, or drop the group's rows from train."

    def unavailable(self, context: Context) -> str | None:
        if not context.built:
            return "a training file has no groups; only a built dataset has them"
        return one_split_only(context)

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return (
            examples.select(*Finding.where, "position", "group", "split")
            .filter(pl.col("group").is_not_null())
            .filter(pl.col("split").n_unique().over("group") > 1)
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        remedy = _remedy(context)
        for group in grouped(found, ("group",)):
            for row in group:
                earlier = [other for other in group if SPLIT_ORDER[other["split"]] < SPLIT_ORDER[row["split"]]]
                if earlier:
                    others = "another row" if len(earlier) == 1 else f"{len(earlier):,} rows"
                    where = f"{earlier[0]['split']}, at {place(earlier[0])}"
                    message = f"group '{row['group']}' of this {row['split']} row has {others} in {where}"
                    yield Finding.at(row, message, field="group", related=ids(earlier), remedy=remedy)


def _remedy(context: Context) -> str | None:
    """Names the sources whose split the config fixes."""
    sources = context.manifest.config.get("sources", ()) if context.manifest else ()
    fixed = [f"'{source['path']}' (`split: {source['split']}`)" for source in sources if source.get("split")]
    if not fixed:
        return None
    return f"Remove `split` from {', '.join(fixed)}, so that all rows are split by group, or drop the group's rows from train."
