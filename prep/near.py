"""Rows that people added for training and that are too near an evaluation row to be allowed in."""

import polars as pl

from prep.keys import normalise
from prep.rows import SOURCE
from prep.source import LINE
from prep.split import SPLIT

# Jaccard similarity of word pairs, the threshold of Lee et al. 2022 (deduplicating training data) for near-duplicates.
NEAR_THRESHOLD = 0.8
_WORDS_A_SHINGLE = 2


def near_eval_rows(rows: pl.DataFrame, input_fields: list[str], ledger_name: str) -> pl.DataFrame:
    """Adds `#near`: for an added row, `source:line` of an evaluation row that its input repeats or nearly repeats, else null.

    Args:
        rows: rows with their split.
        input_fields: the fields that the model is shown.
        ledger_name: the source name of added rows.
    """
    near = pl.lit(None, pl.String).alias("#near")
    added = rows.filter(pl.col(SOURCE) == ledger_name)
    if added.is_empty():
        return rows.with_columns(near)
    held_out = [
        (f"{row[SOURCE]}:{row[LINE]}", shingles(_input_text(row, input_fields)))
        for row in rows.filter(pl.col(SPLIT) != "train").iter_rows(named=True)
    ]
    found: dict[int, str] = {}
    for row in added.iter_rows(named=True):
        own = shingles(_input_text(row, input_fields))
        twin = next((place for place, other in held_out if jaccard(own, other) >= NEAR_THRESHOLD), None)
        if twin is not None:
            found[row[LINE]] = twin
    place = pl.col(LINE).replace_strict(list(found), list(found.values()), default=None, return_dtype=pl.String) if found else near
    return rows.with_columns(pl.when(pl.col(SOURCE) == ledger_name).then(place).alias("#near"))


def shingles(text: str) -> frozenset[str]:
    """Returns the pairs of neighbouring words of a normalised text; a text of one word is its own shingle."""
    words = normalise(text).split(" ")
    return frozenset(" ".join(words[i : i + _WORDS_A_SHINGLE]) for i in range(max(len(words) - _WORDS_A_SHINGLE + 1, 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Returns the size of the intersection over that of the union (Jaccard 1912), in [0, 1]; 1 for two empty sets."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def _input_text(row: dict[str, str | None], input_fields: list[str]) -> str:
    return " ".join(row[name] or "" for name in input_fields)
