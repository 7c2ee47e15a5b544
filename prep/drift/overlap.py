"""How much of the new rows stands in train already."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from prep.build.near_duplicates import NEAR_THRESHOLD
from prep.text.near_index import NearIndex
from prep.text.normalise import normalise


@dataclass(frozen=True, slots=True)
class Overlap:
    """Shares of the new texts, in [0, 1].

    Attributes:
        exact: those that a known text equals after normalisation.
        near: those that share `NEAR_THRESHOLD` of their word pairs with a known text (Jaccard), equal ones among them.
    """

    exact: float
    near: float


def find_overlap(known: list[str], new: list[str]) -> Overlap:
    """Compares each new text with the known ones."""
    normal = {normalise(text) for text in known}
    exact = {place for place, text in enumerate(new) if normalise(text) in normal}
    return Overlap(len(exact) / len(new), len(exact | _near(known, new)) / len(new))


def _near(known: list[str], new: list[str]) -> set[int]:
    """Returns the places of the new texts that are near a known one."""
    with TemporaryDirectory(prefix="loopwright-near-") as name:
        index = NearIndex(Path(name), NEAR_THRESHOLD)
        index.add(pl.Series(known, dtype=pl.String))
        index.add(pl.Series(new, dtype=pl.String))
        across = index.pairs().filter((pl.col("a") < len(known)) & (pl.col("b") >= len(known)))
    return {place - len(known) for place in across["b"].unique()}
