"""Texts as sets of words, and a naive Bayes classifier over them that is fitted again for each arrangement of the sides."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from loopwright.statistics import Bools, Floats, Ints
from prep.text.normalise import normalise

# A Han character stands for a word, and a pair of neighbours for another, as there are no spaces to part words.
_WORD = re.compile(r"[㐀-鿿豈-﫿]|[^\W㐀-鿿豈-﫿_]+(?:['’][^\W\d_]+)?")
_HAN = re.compile(r"[㐀-鿿豈-﫿]")
_MAX_CHARACTERS = 4_000
_NUM_FOLDS = 5
_SMOOTHING = 0.5
_SEED = 17


def words_of(text: str) -> list[str]:
    """Returns the words of the beginning of a text, in lower case, in their order."""
    return _WORD.findall(text[:_MAX_CHARACTERS].lower())


def features_of(text: str) -> list[str]:
    """Returns the distinct words of a text, pairs of neighbouring Han characters among them, in the order of their appearance."""
    words = words_of(text)
    pairs = [one + other for one, other in pairwise(words) if _HAN.match(one) and _HAN.match(other)]
    return list(dict.fromkeys((*words, *pairs)))


@dataclass(frozen=True)
class WordSets:
    """The words of N texts, each counted once a text: a text that says `cold` ten times is one text about the cold.

    Attributes:
        vocabulary: the V words.
        texts: `[E]`, the text of each pair of text and word.
        words: `[E]`, its word.
        keys: `[N]`, equal for texts that are equal after normalisation.
    """

    vocabulary: list[str]
    texts: Ints
    words: Ints
    keys: Ints

    @classmethod
    def of(cls, texts: Sequence[str]) -> "WordSets":
        """Splits texts into words."""
        places: dict[str, int] = {}
        text_numbers: list[int] = []
        word_numbers: list[int] = []
        for number, text in enumerate(texts):
            for word in features_of(text):
                word_numbers.append(places.setdefault(word, len(places)))
                text_numbers.append(number)
        keys = np.unique([normalise(text) for text in texts], return_inverse=True)[1].astype(np.int64)
        return cls(list(places), np.array(text_numbers, np.int64), np.array(word_numbers, np.int64), keys)

    def count(self, is_new: Bools) -> tuple[Floats, Floats]:
        """Returns how many new texts, and how many known ones, hold each word: `[V]` each."""
        new = np.bincount(self.words, weights=is_new[self.texts], minlength=len(self.vocabulary)).astype(np.float64)
        return new, self._totals - new

    @cached_property
    def _totals(self) -> Floats:
        return np.bincount(self.words, minlength=len(self.vocabulary)).astype(np.float64)

    @cached_property
    def _common(self) -> tuple[Ints, Ints, int]:
        """Texts and words of the pairs whose word stands in two texts or more; another says nothing about a text that was held out."""
        is_common = self._totals >= 2
        places = np.cumsum(is_common) - 1
        kept = is_common[self.words]
        return self.texts[kept], places[self.words[kept]], int(is_common.sum())

    @cached_property
    def _folds(self) -> Ints:
        # By text: one that both sides have must not be held against its own copy, which would make the sides look less alike than chance.
        folds = np.arange(self.keys.max(initial=0) + 1) % _NUM_FOLDS
        np.random.default_rng(_SEED).shuffle(folds)
        return folds[self.keys]

    def out_of_fold_scores(self, is_new: Bools) -> Floats:
        """Returns how much more likely each text is a new one than a known one, by classifiers that did not see it: `[N]`, in nats.

        Naive Bayes over the words that a text holds (McCallum and Nigam 1998; Wang and Manning 2012 on presence for short texts), five
        folds, priors left out: only the order of the scores counts.
        """
        texts, words, num_words = self._common
        folds = self._folds
        cell = words * _NUM_FOLDS + folds[texts]
        size = num_words * _NUM_FOLDS
        new = np.bincount(cell, weights=is_new[texts].astype(np.float64), minlength=size).reshape(num_words, _NUM_FOLDS)
        known = np.bincount(cell, minlength=size).reshape(num_words, _NUM_FOLDS) - new
        num_new = is_new.sum() - np.bincount(folds[is_new], minlength=_NUM_FOLDS)
        num_known = (~is_new).sum() - np.bincount(folds[~is_new], minlength=_NUM_FOLDS)
        # What is outside of the fold: all of it, less what is inside.
        log_ratio = np.log((new.sum(axis=1, keepdims=True) - new + _SMOOTHING) / (num_new + 2 * _SMOOTHING))
        log_ratio -= np.log((known.sum(axis=1, keepdims=True) - known + _SMOOTHING) / (num_known + 2 * _SMOOTHING))
        scores: Floats = np.bincount(texts, weights=log_ratio.ravel()[cell], minlength=len(self.keys)).astype(np.float64)
        return scores
