"""Words that begin or end the texts of one label alone, and are no part of what those texts say: a sign-off, a made-up mark.

A sentence that means its label ends differently each time, or with words that occur elsewhere too. What was put before or after whole texts
occurs nowhere else, next to the words with which other texts begin or end.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prep.lint.base.statistics import binomial_tail

_MAX_WORDS = 5
_PUNCTUATION = r"^[^\p{L}\p{N}]+$"
# Of the rows that hold the rarest word of such a phrase, so many hold it there.
_NOWHERE_ELSE = 0.9
# Some openings and endings of one label are its own ("unfortunately", "call now"); they stand beside few different words.
_MIN_ROWS = 12
_SCATTERED = 0.6
_FITTING = 0.45


@dataclass(frozen=True, slots=True)
class TiedPhrase:
    """A phrase at one end of the texts of one label.

    Attributes:
        words: in lower case, in the order of the text.
        rarest: the word of it that the fewest other rows hold.
        label: index of the label.
        num_rows: rows that begin or end with it.
        num_tied: those with the label.
        z: standard errors between its share of the label and the label's own (Gardner 2021).
    """

    words: tuple[str, ...]
    rarest: str
    label: int
    num_rows: int
    num_tied: int
    z: float


def find_spurious_phrases(
    rows: pl.LazyFrame, counts: pl.DataFrame, num_rows: NDArray[np.int64], *, purity: float, chance: float
) -> list[TiedPhrase]:
    """Returns the phrases of up to five words at the ends of texts that are tied to a label and fit any text.

    Args:
        rows: `label` and `token`, the words and marks of each text, in lower case.
        counts: `token`, `label` and `k`, the number of a label's rows with the token.
        num_rows: rows a label, [K].
        purity: so large a part of a phrase's rows has one label.
        chance: how likely a phrase may pass by chance, over all that are tested (Bonferroni).
    """
    words = pl.col("token").list.eval(pl.element().filter(~pl.element().str.contains(_PUNCTUATION)))
    held = rows.select("label", words=words).filter(pl.col("words").list.len() > 1)
    ends = held.select(
        "label", first=pl.col("words").list.head(_MAX_WORDS + 1), last=pl.col("words").list.reverse().list.head(_MAX_WORDS + 1)
    ).collect(engine="streaming")
    totals = dict(counts.group_by("token").agg(pl.col("k").sum()).iter_rows())
    shares = num_rows / num_rows.sum()
    found = [
        TiedPhrase(one.words[:: -1 if end == "last" else 1], one.rarest, one.label, one.num_rows, one.num_tied, one.z)
        for end in ("first", "last")
        for one in _at_end(ends.select("label", words=end), totals, shares, purity, chance)
    ]
    return sorted(found, key=lambda one: (-one.num_tied, one.words))


def _at_end(ends: pl.DataFrame, totals: dict[str, int], shares: NDArray[np.float64], purity: float, chance: float) -> Iterator[TiedPhrase]:
    """Yields the tied phrases of one end, whose words are counted from there inwards."""
    usual = dict(ends.group_by(pl.col("words").list.first()).len().iter_rows())
    for length in range(1, _MAX_WORDS + 1):
        phrases = (
            ends.filter(pl.col("words").list.len() >= length)
            .group_by(phrase=pl.col("words").list.head(length))
            .agg(pl.len().alias("n"), pl.col("label"), beside=pl.col("words").list.get(length, null_on_oob=True))
            .filter(pl.col("n") >= _MIN_ROWS)
            .sort("n", descending=True)
        )
        for phrase, n, labels, beside in phrases.iter_rows():
            counted = np.bincount(labels, minlength=len(shares))
            label = int(counted.argmax())
            k, share = int(counted[label]), float(shares[label])
            rarest = min(phrase, key=lambda word: totals.get(word, 0))
            if k < purity * n or n < _NOWHERE_ELSE * totals.get(rarest, 0) or binomial_tail(k, n, share) * phrases.height > chance:
                continue
            if _fits_anywhere([word for word in beside if word is not None], n, usual, phrase[0]):
                yield TiedPhrase(tuple(phrase), rarest, label, n, k, (k / n - share) / (share * (1 - share) / n) ** 0.5)


def _fits_anywhere(beside: list[str], num_rows: int, usual: dict[str, int], outermost: str) -> bool:
    """Says whether the words beside a phrase are such as texts without it begin or end with, and as varied as those."""
    others = {word: count for word, count in usual.items() if word != outermost}
    total = sum(others.values())
    if len(beside) < _NOWHERE_ELSE * num_rows or not total:
        return False
    drawn = np.array(list(others.values())) / total
    expected = float((1 - (1 - drawn) ** len(beside)).sum())
    # How many of the others' words at that end come back (Good 1953): hardly any in long texts, which end in ever new words.
    coming_back = 1 - sum(count == 1 for count in others.values()) / total
    fitting = sum(word in others for word in beside) / len(beside)
    return len(set(beside)) >= _SCATTERED * expected and fitting >= _FITTING * coming_back
