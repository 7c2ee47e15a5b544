"""Rows that belong together, as the duplicate, conflict and leak rules look at them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from prep.dataset.splits import SPLIT_PRIORITY
from prep.lint.base.context import Context

Row = Mapping[str, Any]

# A finding names at most this many other rows: a thousand copies are not told apart by a list of ids.
MAX_RELATED = 20


def grouped(found: pl.DataFrame, keys: Iterable[str]) -> list[list[Row]]:
    """Returns the rows in groups of equal keys, each in the order of reading."""
    names = list(keys)
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in found.sort("position").iter_rows(named=True):
        groups[tuple(row[name] for name in names)].append(row)
    return list(groups.values())


def place(row: Row) -> str:
    """Returns `file:line` of a row."""
    return f"{row['source']}:{row['line']}"


def ids(rows: Iterable[Row]) -> tuple[str, ...]:
    """Returns the ids of rows, as a finding relates them."""
    return tuple(row["id"] for row in rows)[:MAX_RELATED]


# What a fix keeps first: rows to evaluate on are worth more than rows to train on.
SPLIT_ORDER = {name: rank for rank, name in enumerate(reversed(SPLIT_PRIORITY))}


def one_split_only(context: Context) -> str | None:
    """Returns why nothing can be found across splits, or None where it can."""
    if len(context.splits) > 1:
        return None
    return "needs a second split" if context.built else "needs a second file: give the evaluation file with --test"
