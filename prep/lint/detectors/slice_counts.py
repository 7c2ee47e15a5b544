"""How many rows each declared slice has, among the rows to train on."""

import json
from collections.abc import Iterator, Mapping

import polars as pl

from prep.config import SLICE_COLUMNS
from prep.lint.base.context import Context
from prep.lint.detectors.expectations import DeclaredSlice


def count_slices(examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
    """Returns `field`, `value` and `rows` of each value of the fields of which slices are declared, among the rows to train on."""
    rows = examples.filter(pl.col("split") == "train") if "train" in context.splits else examples
    counts = []
    for field in context.expect.slices:
        value = pl.col("fields").str.json_path_match(f"$[{json.dumps(field)}]")
        if field in SLICE_COLUMNS:
            value = pl.coalesce(value, pl.col(field))
        counts.append(rows.select(field=pl.lit(field), value=value).group_by("field", "value").len("rows"))
    return pl.concat(counts)


def declared_slices(counted: pl.DataFrame, slices: Mapping[str, Mapping[str, int]]) -> Iterator[DeclaredSlice]:
    """Holds declared slices against what `count_slices` counted."""
    for field, wanted in slices.items():
        rows = counted.filter(pl.col("field") == field)
        counts = dict(rows.select("value", "rows").iter_rows())
        total = sum(counts.values())
        for value, least in wanted.items():
            yield DeclaredSlice(field, value, counts.get(value, 0), total, least)
