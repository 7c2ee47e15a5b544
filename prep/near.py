"""Near-duplicates: word-pair shingles, candidates from MinHash-LSH (Broder 1997; Lee et al. 2022), each proven by its exact Jaccard.

Rows are taken in the order of their worth (test, validation, train) and then of the sources. A row leaves where it is near one that was
taken before it, so that what decides is a pair of rows and never a chain of them.
"""

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from prep.keys import normalise
from prep.rows import SOURCE, SPLIT
from prep.source import LINE
from prep.split import SPLITS_BY_WORTH

# The similarity from which Lee et al. 2022 call two texts near-duplicates: for rows that people add.
NEAR_THRESHOLD = 0.8
NEAR_EVAL = "#near_eval"
NEAR_DUPLICATE = "#near_duplicate"
_WORDS_A_SHINGLE = 2
_NUM_HASHES = 128
_SEED = 17
# A pair at the threshold is to be found with at least this chance.
_MIN_RECALL = 0.99


def mark_near(rows: pl.DataFrame, input_fields: list[str], ledger_name: str, threshold: float | None) -> pl.DataFrame:
    """Adds `#near_eval` and `#near_duplicate`: `source:line` of the row that a row is too near to, or null.

    Rows that people added for training are always held against the evaluation rows. All rows are held against each other only where
    deduplication is asked for.

    Args:
        rows: rows with their split.
        input_fields: the fields that the model is shown.
        ledger_name: the source name of added rows.
        threshold: Jaccard similarity from which rows are near; None leaves all but added rows alone.
    """
    added = rows[SOURCE] == ledger_name
    splits = rows[SPLIT].to_list()
    order = sorted(range(rows.height), key=lambda row: SPLITS_BY_WORTH.index(splits[row]))
    if threshold is None:  # added rows against evaluation rows, and nothing else
        order = [row for row in order if splits[row] != "train" or added[row]] if added.any() else []
    texts = rows.select(pl.concat_str(input_fields, separator=" ", ignore_nulls=True)).to_series()
    sets = [shingles(texts[row]) for row in order]

    def needed(place: int, other: int) -> float | None:
        across = added[order[place]] and splits[order[other]] != "train"
        return min(threshold or 1, NEAR_THRESHOLD) if across else threshold

    lowest = min(threshold or 1, NEAR_THRESHOLD) if added.any() else threshold
    nearest: list[int | None] = [None] * rows.height
    for place, other in _nearest_before(sets, lowest, needed):
        nearest[order[place]] = order[other]
    places = rows.select(pl.format("{}:{}", SOURCE, LINE)).to_series().to_list()
    crosses = [other is not None and splits[other] != "train" and splits[row] == "train" for row, other in enumerate(nearest)]
    twin = [None if other is None else places[other] for other in nearest]
    return rows.with_columns(
        pl.Series(NEAR_EVAL, [place if across else None for place, across in zip(twin, crosses, strict=True)], pl.String),
        pl.Series(NEAR_DUPLICATE, [None if across else place for place, across in zip(twin, crosses, strict=True)], pl.String),
    )


def shingles(text: str) -> frozenset[str]:
    """Returns the pairs of neighbouring words of a normalised text; a text of one word is its own shingle."""
    words = normalise(text).split(" ")
    return frozenset(" ".join(words[i : i + _WORDS_A_SHINGLE]) for i in range(max(len(words) - _WORDS_A_SHINGLE + 1, 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Returns the size of the intersection over that of the union (Jaccard 1912), in [0, 1]; 1 for two empty sets."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def _nearest_before(
    sets: Sequence[frozenset[str]], lowest: float | None, needed: Callable[[int, int], float | None]
) -> Iterator[tuple[int, int]]:
    """Yields (place, place of the nearest set before it) for each set that leaves: it is near one before it that stays.

    Args:
        sets: the shingles of each row.
        lowest: the lowest similarity that is ever needed; None where no set leaves.
        needed: the similarity from which one place leaves because of another; None where it stays however like they are.
    """
    from rensa import RMinHash, RMinHashLSH

    if lowest is None:
        return
    hashes = RMinHash.from_token_sets([list(one) for one in sets], _NUM_HASHES, _SEED)
    index = RMinHashLSH(lowest, _NUM_HASHES, _num_bands(lowest))
    index.insert_many(hashes)
    gone: set[int] = set()
    for place, hashed in enumerate(hashes):
        near: list[tuple[float, int]] = []
        for other in index.query(hashed):
            threshold = needed(place, other) if other < place and other not in gone else None
            if threshold is not None and (similarity := jaccard(sets[place], sets[other])) >= threshold:
                near.append((similarity, -other))
        if near:
            gone.add(place)
            yield place, -max(near)[1]


def _num_bands(threshold: float) -> int:
    """Returns the fewest bands, of equally many hashes, that find a pair at the threshold with `_MIN_RECALL`."""
    for num_rows in (16, 8, 4, 2):
        num_bands = _NUM_HASHES // num_rows
        if 1 - (1 - threshold**num_rows) ** num_bands >= _MIN_RECALL:
            return num_bands
    return _NUM_HASHES
