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
    """One source file, template or group (author, customer, patient) with most of the rows.

    ## What it does
    Counts the rows of each source file, template and group within each split. Reports the largest of them if its share is above the
    threshold (lower end of the 95% Wilson interval), with the effective number of sources (inverse Simpson index, Simpson 1949).

    ## Why is this bad
    The model learns the habits of the dominant source: its names, its products, its phrases. Scores on evaluation rows from the same
    source hide this.

    ## Example
    Group `C17` has 61% of 500 calls: 40 customers called, but the data is as varied as calls of 2.1 customers.

    ## Fix safety
    Unsafe, and not a fix of single rows: the fix ledger gets no entry. For the train split of a built dataset the remedy gives the
    config that brings the largest share down to the threshold: `sources: [...]` with a `weight` each, or `resample: {...}` by the
    group's field, and the number of rows that it keeps. Rows are lost, so you put it into the config yourself. For a dominant template
    there is no such config: either its `weight` asks for this, or most rows lack the fields that the other templates need, as `prep
    build` reports. Evaluation rows are never dropped: they should look like production.
    """

    code = "BAL103"
    severity = Severity.WARNING
    columns = ("source", "template", "group", "split")
    remedy = "Add rows of other sources, give `sources` or `templates` a `weight`, or use `resample: {by: FIELD}`."
    thresholds = (
        Threshold("source", 0.9, "a tenth of other rows keeps a model from forgetting them (Ibrahim et al. 2024: 5 to 10%)"),
        Threshold("template", 0.9, "as for sources; FLAN (Wei et al. 2022) uses ten templates per dataset in equal shares"),
        Threshold("group", 0.3, "one such group makes a Simpson index of 0.09 by itself, an effective number of 11 groups"),
        Threshold("min_rows", 30, "with fewer rows the 95% interval of a share is wider than 36 points"),
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
                f" '{row['split']}'; effective number {row['effective']:.1f} of {row['number']:,}"
                " (inverse Simpson index)",
                field=row["of"],
                kind=row["of"],
                remedy=self._remedy(row, context),
            )

    def _remedy(self, row: dict[str, Any], context: Context) -> str | None:
        if context.manifest is None:
            return None
        if row["split"] != "train":
            return f"Add rows of other sources to '{row['split']}', or report its score separately: evaluation rows are not resampled."
        share = context.threshold(self, row["of"])
        if row["of"] == "source":
            plan = plan_sources({one["name"]: one["rows"] for one in row["all"]}, share, context.manifest)
        elif row["of"] == "group":
            plan = plan_groups(row["name"], row["top"], row["total"], share, context.manifest)
        else:
            return (
                "Give the other templates the fields that they need (`prep build` says which rows they could not render), or more weight."
            )
        return plan and f"Put {plan}; or add rows of other sources."
