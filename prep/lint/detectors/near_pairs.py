"""The near-duplicate pairs of the lint frame, which all rules over near inputs share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from prep.lint.base.context import Context
from prep.text.near_index import PAIR_SCHEMA, NearIndex
from templates.form import Form

_BATCH_ROWS = 20_000

TEXT = pl.when(pl.col("form") == Form.COMPLETION).then("answer").otherwise("input_body")
"""What of an example is compared: its body; of plain text, which has no input, the text."""


def near_pairs(frame: pl.LazyFrame, folder: Path, *, threshold: float) -> pl.LazyFrame:
    """Returns all proven near-duplicate pairs of the frame's texts (`TEXT`), compared within each template.

    Two texts are near where they share `threshold` of their word pairs (Jaccard), or where both have five words or more and are the same
    but for one word of each: in a short text one word is a third of the word pairs.

    Args:
        frame: the lint frame; `position`, `template`, `kind`, `input_body` and `answer` are read.
        folder: where the index and the pairs are put.
        threshold: the Jaccard similarity, in (0, 1].

    Returns:
        `a` and `b`, positions with `a` < `b`, and `similarity`, the exact Jaccard of their word pairs, from 0.
    """
    path = folder / "near.parquet"
    templates = frame.select(pl.col("template").unique()).collect()["template"].sort().to_list()
    found = [_pairs_of(frame.filter(pl.col("template") == one), folder, threshold) for one in templates]
    pl.concat([pl.DataFrame(schema=PAIR_SCHEMA), *found]).sort("a", "b").write_parquet(path)
    return pl.scan_parquet(path, glob=False)


def _pairs_of(frame: pl.LazyFrame, folder: Path, threshold: float) -> pl.DataFrame:
    index = NearIndex(folder, threshold, one_word=True)
    positions = []
    for batch in _batches(frame):
        index.add(batch["text"])
        positions.append(batch["position"].to_numpy())
    places = np.concatenate(positions) if positions else np.empty(0, np.uint32)
    pairs = index.pairs()
    one, other = places[pairs["a"].to_numpy()], places[pairs["b"].to_numpy()]
    columns = {"a": np.minimum(one, other), "b": np.maximum(one, other), "similarity": pairs["similarity"]}
    return pl.DataFrame(columns, schema=PAIR_SCHEMA)


def _batches(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yields the texts in the order of reading, so that the first of equal texts represents the others."""
    ordered = frame.select("position", TEXT.alias("text")).sort("position")
    yield from ordered.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)


def near_rows(examples: pl.LazyFrame, context: Context, *columns: str) -> pl.LazyFrame:
    """Returns one row a pair: `position` and columns of the later row, those of the earlier with `_other`, and `similarity`.

    Pairs that are equal but for case and white space, which rules on exact copies report, are left out; so are the parts and repetitions
    of one raw row, which the build made of it.
    """
    assert context.near is not None
    rows = examples.select("position", "row_id", "input_key", "form", *columns)
    return (
        context.near.join(rows, left_on="b", right_on="position")
        .join(rows, left_on="a", right_on="position", suffix="_other")
        .filter((pl.col("form") == Form.COMPLETION) | pl.col("input_key").ne_missing(pl.col("input_key_other")))
        .filter(pl.col("row_id") != pl.col("row_id_other"))
        .drop("row_id", "row_id_other")
        .rename({"a": "position_other", "b": "position"})
    )


def nearest(pairs: pl.LazyFrame, num_nearest: int) -> pl.LazyFrame:
    """Keeps the nearest pairs of each `position`; of equally near ones the earlier, as a join gives them in any order."""
    ordered = pairs.sort("position", "similarity", "position_other", descending=[False, True, False])
    return ordered.filter(pl.int_range(pl.len()).over("position") < num_nearest)
