"""Near-duplicates among the rows of a build, as `NearIndex` proves them (Lee et al. 2022).

Rows are taken in the order of their worth (test, validation, train) and then of the sources. A row leaves where it is near one that was
taken before it, so that what decides is a pair of rows and never a chain of them.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from prep.dataset.splits import SPLIT_PRIORITY
from prep.sources.rows import ROW_ID, SOURCE, SPLIT
from prep.sources.source import LINE
from prep.text.near_index import NearIndex

# The similarity from which Lee et al. 2022 call two texts near-duplicates: for rows that people add.
NEAR_THRESHOLD = 0.8
_ADDED = "#added"
_TEXT = "#text"
_FOUND_SCHEMA = {
    "row_id": pl.String,
    "source": pl.String,
    "line": pl.Int64,
    "survivor": pl.String,
    "survivor_place": pl.String,
    "similarity": pl.Float64,
    "reason": pl.String,
}


def near_duplicates(rows: pl.LazyFrame, input_fields: list[str], ledger_name: str, threshold: float | None) -> pl.DataFrame:
    """Returns the rows that are too near to another: `row_id`, `source`, `line`, `survivor`, `survivor_place`, `similarity`, `reason`.

    Rows that people added for training are always held against the evaluation rows. All rows are held against each other only where
    deduplication is asked for.

    Args:
        rows: rows with their split.
        input_fields: the fields that the model is shown.
        ledger_name: the source name of added rows.
        threshold: Jaccard similarity from which rows are near; None leaves all but added rows alone.
    """
    added = pl.col(SOURCE) == ledger_name
    if threshold is None:  # added rows against evaluation rows, and nothing else
        rows = rows.filter(added | (pl.col(SPLIT) != "train"))
    text = pl.concat_str(input_fields, separator=" ", ignore_nulls=True)
    worth = pl.col(SPLIT).cast(pl.Enum(SPLIT_PRIORITY))
    taken = rows.select(ROW_ID, SOURCE, LINE, SPLIT, added.alias(_ADDED), text.alias(_TEXT)).collect().sort(worth, maintain_order=True)
    if threshold is None and not taken[_ADDED].any():
        return pl.DataFrame(schema=_FOUND_SCHEMA)
    is_train = (taken[SPLIT] == "train").to_list()
    is_added = taken[_ADDED].to_list()

    def needed(place: int, other: int) -> float | None:
        across = is_added[place] and not is_train[other]
        return min(threshold or 1, NEAR_THRESHOLD) if across else threshold

    lowest = min(threshold or 1, NEAR_THRESHOLD) if any(is_added) else threshold
    assert lowest is not None
    found = list(_nearest_before(taken[_TEXT], lowest, needed))
    near, other = (pl.Series([pair[index] for pair in found], dtype=pl.UInt32) for index in (0, 1))
    survivors = taken[other]
    across = pl.Series([is_train[place] and not is_train[twin] for place, twin, _ in found], dtype=pl.Boolean)
    return taken[near].select(
        row_id=ROW_ID,
        source=SOURCE,
        line=LINE,
        survivor=survivors[ROW_ID],
        survivor_place=survivors.select(pl.concat_str(SOURCE, pl.lit(":"), LINE)).to_series(),
        similarity=pl.Series([similarity for _, _, similarity in found], dtype=pl.Float64),
        reason=pl.when(across).then(pl.lit("near_eval")).otherwise(pl.lit("near_duplicate")),
    )


def _nearest_before(texts: pl.Series, lowest: float, needed: Callable[[int, int], float | None]) -> Iterator[tuple[int, int, float]]:
    """Yields (place, place of the nearest text before it, similarity) for each text that leaves: it is near one before it that stays.

    Args:
        texts: the texts.
        lowest: the lowest similarity that is ever needed.
        needed: the similarity from which one place leaves because of another; None where it stays however like they are.
    """
    with TemporaryDirectory(prefix="loopwright-near-") as name:
        index = NearIndex(Path(name), lowest)
        index.add(texts)
        pairs = index.pairs().sort("b", "a")
    gone: set[int] = set()
    for place, found in groupby(pairs.iter_rows(), itemgetter(1)):
        near: list[tuple[float, int]] = []
        for other, _, similarity in found:
            threshold = needed(place, other) if other not in gone else None
            if threshold is not None and similarity >= threshold:
                near.append((similarity, -other))
        if near:
            gone.add(place)
            similarity, twin = max(near)
            yield place, -twin, similarity
