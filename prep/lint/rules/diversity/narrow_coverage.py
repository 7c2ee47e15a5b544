"""DIV702 NarrowCoverage."""

import json
from collections.abc import Iterable

import polars as pl

from loopwright.errors import did_you_mean
from prep.config import SLICE_COLUMNS
from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.detectors.expectations import ExpectationState
from prep.lint.detectors.slice_counts import count_slices, declared_slices


class NarrowCoverage(Rule):
    """A declared slice with too few rows, or none.

    ## What it does
    Counts the training rows of each slice that the config declares, `lint: {expect: {slices: {product: {pump: 50, valve: 50}}}}`, by
    the value of a mapped field (or of `source`, `template`, `group`, `label`). Reports slices with fewer rows than declared. Without
    declared slices the rule is skipped.

    ## Why is this bad
    The model does not learn what the data lacks, and an average over all rows hides it: the slice fails first in production.

    ## Example
    `product` is `valve` in 3 rows; 50 are declared.

    ## Fix safety
    Never fixed automatically: rows of the slice have to be collected or written. The findings list what to ask for.
    """

    code = "DIV702"
    severity = Severity.WARNING
    columns = ("split", "fields", *SLICE_COLUMNS)
    remedy = "Collect rows of this slice, or declare a smaller number."

    def unavailable(self, context: Context) -> str | None:
        return None if context.expect.slices else "no slices are declared: lint: {expect: {slices: {FIELD: {VALUE: ROWS}}}}"

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        # Which fields there are is told from a few rows, for a name that none of them has.
        known = examples.select("fields").filter(pl.col("fields").is_not_null()).head(20)
        return pl.concat([count_slices(examples, context), known], how="diagonal")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        counted = found.filter(pl.col("field").is_not_null())
        unknown = set(context.expect.slices) - set(counted.filter(pl.col("value").is_not_null())["field"])
        known = sorted(({name for text in found["fields"].drop_nulls() for name in json.loads(text)} | set(SLICE_COLUMNS)) - unknown)
        for field in [name for name in context.expect.slices if name in unknown]:
            yield Finding(f"no row has the field '{field}', for which slices are declared", field=field, remedy=did_you_mean(field, known))
        for one in declared_slices(counted, context.expect.slices):
            if one.state is not ExpectationState.MET and one.field not in unknown:
                number = f"{one.num_rows:,} rows" if one.num_rows else "no row"
                message = f"'{one.field}' is '{one.value}' in {number}; {one.wanted:,} are declared"
                yield Finding(message, field=one.field, kind=f"{one.field}={one.value}")
