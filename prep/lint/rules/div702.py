"""DIV702 NarrowCoverage."""

import json
from collections.abc import Iterable

import polars as pl

from loopwright.errors import did_you_mean
from prep.lint.context import Context
from prep.lint.rule import Finding, Rule, Severity

_COLUMNS = ("source", "template", "group", "label")


class NarrowCoverage(Rule):
    """A slice of the data that was to be covered and has too few rows, or none.

    ## What it does
    Counts the rows to train on for each slice that the config declares, `lint: {expect: {slices: {product: {pump: 50, valve: 50}}}}`, by
    the value of a mapped field (or of `source`, `template`, `group`, `label`), and reports those with fewer rows than declared. Without
    declared slices there is nothing to compare with, and the rule is skipped.

    ## Why is this bad
    What is not in the data is not learned, and an average over all rows does not show it: the slice fails in production first.

    ## Example
    `product` is `valve` in 3 rows, where 50 are declared.

    ## Fix safety
    Never fixed automatically: rows of the slice have to be collected or written. The findings are the list of what to ask for.
    """

    code = "DIV702"
    severity = Severity.WARNING
    columns = ("split", "fields", *_COLUMNS)
    remedy = "Collect rows of the slice, or declare a smaller number."

    def unavailable(self, context: Context) -> str | None:
        return None if context.options.expect.slices else "no slices are declared: lint: {expect: {slices: {FIELD: {VALUE: ROWS}}}}"

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        rows = examples.filter(pl.col("split") == "train") if "train" in context.splits else examples
        counts = []
        for field in context.options.expect.slices:
            value = pl.col("fields").str.json_path_match(f"$[{json.dumps(field)}]")
            if field in _COLUMNS:
                value = pl.coalesce(value, pl.col(field))
            counts.append(rows.select(field=pl.lit(field), value=value).group_by("field", "value").len("rows"))
        # Which fields there are is told from a few rows, for a name that none of them has.
        known = rows.select(fields=pl.col("fields")).filter(pl.col("fields").is_not_null()).head(20)
        return pl.concat([*counts, known], how="diagonal")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        known = sorted({name for text in found["fields"].drop_nulls() for name in json.loads(text)} | set(_COLUMNS))
        for field, wanted in context.options.expect.slices.items():
            rows = found.filter((pl.col("field") == field) & pl.col("value").is_not_null())
            counts = dict(rows.select("value", "rows").iter_rows())
            if not counts:
                yield Finding(
                    f"no row has the field '{field}', of which slices are declared", field=field, remedy=did_you_mean(field, known)
                )
                continue
            for value, least in wanted.items():
                if counts.get(value, 0) < least:
                    number = f"{counts[value]:,} rows" if value in counts else "no row"
                    yield Finding(f"'{field}' is '{value}' in {number}, where {least:,} are declared", field=field, kind=f"{field}={value}")
