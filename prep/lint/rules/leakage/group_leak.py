"""LEK404 GroupLeak."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.groups import SPLIT_ORDER, grouped, ids, one_split_only, place
from prep.lint.base.rule import Rule


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
    No rows are edited: the build keeps groups whole wherever it divides, so that a group in two splits has rows of a source that the
    config puts into one with `split:`. Take that off, and all rows are divided by their group: safe for the rows, but it changes what is
    evaluated, and so is for you to do. To keep a hold-out file as it is, drop the group's rows from train instead.
    """

    code = "LEK404"
    severity = Severity.ERROR
    columns = ("group", "split")
    remedy = "Take `split:` off the sources of the config, so that rows are divided by their group, or drop the group's rows from train."

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
        remedy = _remedy(context)
        for group in grouped(found, ("group",)):
            for row in group:
                earlier = [other for other in group if SPLIT_ORDER[other["split"]] < SPLIT_ORDER[row["split"]]]
                if earlier:
                    others = "another row" if len(earlier) == 1 else f"{len(earlier):,} rows"
                    where = f"{earlier[0]['split']}, at {place(earlier[0])}"
                    message = f"group '{row['group']}' of this row of {row['split']} has {others} in {where}"
                    yield Finding.at(row, message, field="group", related=ids(earlier), remedy=remedy)


def _remedy(context: Context) -> str | None:
    """Names the sources whose split the config fixes."""
    sources = context.manifest.config.get("sources", ()) if context.manifest else ()
    fixed = [f"'{source['path']}' (`split: {source['split']}`)" for source in sources if source.get("split")]
    if not fixed:
        return None
    return f"Take `split` off {', '.join(fixed)}, so that all rows are divided by their group, or drop the group's rows from train."
