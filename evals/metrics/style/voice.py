"""A voice: how often some texts use their commonest words, runs of three characters, marks and lengths; and how far others are from it."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from evals.metrics.base import Array
from evals.metrics.words import script_words

# The words that carry style are the commonest (Burrows 2002), which are function words in any language: no list of them is needed.
_NUM_WORDS = 100
_NUM_TRIGRAMS = 100
_NUM_MARKS = 20
# Texts of 0, 1, 2-3, 4-7, ... words, and of 512 or more.
_NUM_LENGTHS = 11
# The listed ones and all others of their kind; beside marks, words, so that it counts how densely marks stand.
_SIZES = (_NUM_WORDS + 1, _NUM_TRIGRAMS + 1, _NUM_MARKS + 2, _NUM_LENGTHS)

WIDTH = sum(_SIZES)
"""How many numbers are counted of a text."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What is counted of texts, and how often the texts of the voice have it.

    Attributes:
        words: its commonest words, in lower case.
        trigrams: its commonest runs of three characters, as they are written.
        marks: its commonest marks: punctuation, symbols, ends of lines.
        totals: `[WIDTH]`, its own counts.
        num_texts: how many texts it was learnt from.
    """

    words: tuple[str, ...]
    trigrams: tuple[str, ...]
    marks: tuple[str, ...]
    totals: Array
    num_texts: int

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Learns a voice from texts of it; some hundreds make one, a dozen say little."""
        words = _commonest((word for text in texts for word in script_words(text)), _NUM_WORDS)
        trigrams = _commonest((run for text in texts for run in _trigrams(text)), _NUM_TRIGRAMS)
        marks = _commonest((mark for text in texts for mark in _marks(text)), _NUM_MARKS)
        listed = cls(words, trigrams, marks, np.zeros(WIDTH), len(texts))
        return cls(words, trigrams, marks, sum((listed.count(text) for text in texts), start=np.zeros(WIDTH)), len(texts))

    def count(self, text: str) -> Array:
        """Returns the counts of a text, `[WIDTH]`; those of several texts add up."""
        words = script_words(text)
        lengths = np.zeros(_NUM_LENGTHS)
        lengths[min(len(words).bit_length(), _NUM_LENGTHS - 1)] = 1.0
        return np.concatenate(
            [
                _counts(words, self.words, _NUM_WORDS),
                _counts(_trigrams(text), self.trigrams, _NUM_TRIGRAMS),
                _counts(_marks(text), self.marks, _NUM_MARKS),
                [len(words)],
                lengths,
            ]
        )


def distances(ours: Array, theirs: Array) -> Array:
    """Returns how far some counted texts are from others in each aspect: the Jensen-Shannon divergence, in bits (Lin 1991).

    0 for the same shares, 1 where none is in common. It needs no smoothing for what one side never uses, is the same both ways, and is a
    function of sums; Burrows's Delta divides by a spread over long texts, which replies of two lines do not have.

    Args:
        ours: `[..., WIDTH]`, counts by one voice.
        theirs: `[..., WIDTH]`, counts of other texts by the same voice, on any scale.

    Returns:
        `[..., 4]`: of words, trigrams, marks and lengths.
    """
    ends = np.cumsum(_SIZES)[:-1]
    parts = zip(np.split(ours, ends, axis=-1), np.split(theirs, ends, axis=-1), strict=True)
    return np.stack([_divergence(a, b) for a, b in parts], axis=-1)


def _commonest(found: Iterable[str], number: int) -> tuple[str, ...]:
    """Returns the commonest, of equally common ones those that come first in the order of their characters."""
    counts = Counter(found)
    return tuple(sorted(counts, key=lambda one: (-counts[one], one))[:number])


def _counts(found: Sequence[str], listed: Sequence[str], size: int) -> Array:
    """Returns how often each listed one is found, `size` of them, and how often others are, at the end."""
    counts = Counter(found)
    made = np.zeros(size + 1)
    made[: len(listed)] = [counts[one] for one in listed]
    made[-1] = len(found) - made.sum()
    return made


def _trigrams(text: str) -> list[str]:
    padded = f" {' '.join(text.split())} "
    return [padded[start : start + 3] for start in range(len(padded) - 2)]


def _marks(text: str) -> list[str]:
    return [character for character in text.strip() if character == "\n" or unicodedata.category(character)[0] in "PS"]


def _divergence(ours: Array, theirs: Array) -> Array:
    """Returns the divergence of counts over their last axis, in bits: 1 where one side has none at all, 0 where neither has."""
    our_total, their_total = ours.sum(axis=-1, keepdims=True), theirs.sum(axis=-1, keepdims=True)
    p, q = ours / np.where(our_total > 0, our_total, 1.0), theirs / np.where(their_total > 0, their_total, 1.0)
    middle = np.where(p + q > 0, (p + q) / 2, 1.0)
    divergence = sum((_plogp(side, middle) for side in (p, q)), start=np.zeros(())) / 2
    has_ours, has_theirs = our_total[..., 0] > 0, their_total[..., 0] > 0
    return np.where(has_ours & has_theirs, np.clip(divergence, 0.0, 1.0), np.where(has_ours | has_theirs, 1.0, 0.0))


def _plogp(shares: Array, middle: Array) -> Array:
    """Returns the Kullback-Leibler divergence from the middle, in bits."""
    return np.asarray((shares * np.log2(np.where(shares > 0, shares / middle, 1.0))).sum(axis=-1))
