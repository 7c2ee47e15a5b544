"""BAL103 SourceDominance."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from loopwright.statistics import wilson_interval
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.detectors.rebalance import plan_groups, plan_sources

_OF = {"source": "file", "template": "template", "group": "group"}


class SourceDominance(Rule):
    """One file, template, or group (an author, a customer, a patient) gives most of the rows.

    ## What it does
    Within each split it counts the rows of each source file, template and group, and reports the largest where its share is above the
    threshold for certain (lower end of the 95% Wilson interval), with the effective number of them (inverse Simpson index, Simpson 1949).

    ## Why is this bad
    The model learns the habits of the one: its names, its products, its turns of phrase. Scores on rows of the same one hide it.

    ## Example
    Group `C17` has 61% of 500 calls; as varied as 2.1 customers, where 40 called.

    ## Fix safety
    A share is no row's own, so that the fix ledger has no entry for it. For the train split of a built dataset the remedy is the piece of
    config that brings the largest down to the threshold: `sources: [...]` with a `weight` each, or `resample: {...}` by the group's field,
    with the rows that it leaves. It is unsafe, as rows leave, and so for you to put in. A template that dominates has no such piece: either
    the config's `weight` says so, or the others lack the fields that they need in most rows, as `prep build` reports. Evaluation rows are
    never left out: they are to look like what will come.
    """

    code = "BAL103"
    severity = Severity.WARNING
    columns = ("source", "template", "group", "split")
    remedy = "Add rows of the others, give `sources` or `templates` a `weight`, or `resample: {by: FIELD}`."
    thresholds = (
        Threshold(
            "source", 0.9, "a tenth of the rows of another kind is what keeps a model from forgetting it (Ibrahim et al. 2024: 5 to 10%)"
        ),
        Threshold("template", 0.9, "as for sources: FLAN (Wei et al. 2022) uses ten templates a dataset, evenly"),
        Threshold("group", 0.3, "Simpson's index of 0.09 from one group alone, as if all rows came from 11 groups"),
        Threshold("min_rows", 30, "below it a share says little: its 95% interval is 36 points wide"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        counted = []
        for column in _OF:
            counts = examples.filter(pl.col(column).is_not_null() & (pl.col(column) != "")).group_by("split", name=column).len("rows")
            counted.append(
                counts.group_by("split").agg(
                    pl.col("name").sort_by("rows", "name", descending=[True, False]).first(),
                    pl.col("rows").max().alias("top"),
                    pl.col("rows").sum().alias("total"),
                    pl.len().alias("number"),
                    ((pl.col("rows").sum().cast(pl.Float64) ** 2) / (pl.col("rows").cast(pl.Float64) ** 2).sum()).alias("effective"),
                    pl.lit(column).first().alias("of"),
                    # Files are few; groups may be as many as rows, and a plan needs none but the largest.
                    (pl.struct("name", "rows") if column == "source" else pl.struct("name", "rows").head(0)).implode().alias("all"),
                )
            )
        return pl.concat(counted)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.sort("split", "of").iter_rows(named=True):
            low, _ = wilson_interval(row["top"], row["total"])
            if row["number"] < 2 or row["total"] < context.threshold(self, "min_rows") or low <= context.threshold(self, row["of"]):
                continue
            yield Finding(
                f"the {_OF[row['of']]} '{row['name']}' has {row['top'] / row['total']:.0%} of {row['total']:,} rows of the split"
                f" '{row['split']}'; {row['number']:,} of them are as varied as {row['effective']:.1f} of equal size"
                " (inverse Simpson index)",
                field=row["of"],
                kind=row["of"],
                remedy=self._remedy(row, context),
            )

    def _remedy(self, row: dict[str, Any], context: Context) -> str | None:
        if context.manifest is None:
            return None
        if row["split"] != "train":
            return f"Add rows of the others to '{row['split']}', or score this one apart: evaluation rows are not resampled."
        share = context.threshold(self, row["of"])
        if row["of"] == "source":
            plan = plan_sources({one["name"]: one["rows"] for one in row["all"]}, share, context.manifest)
        elif row["of"] == "group":
            plan = plan_groups(row["name"], row["top"], row["total"], share, context.manifest)
        else:
            return (
                "Give the other templates the fields that they need (`prep build` says which rows they could not render), or more weight."
            )
        return plan and f"Put {plan}; or add rows of the others."
