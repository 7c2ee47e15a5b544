"""Which texts are near-duplicates: candidates by their hashes, each pair proven on the word pairs themselves; in bounded memory.

Candidates come from MinHash with banding (Broder 1997; Leskovec, Rajaraman and Ullman 2014), and for short texts, where one word of eight
is a third of the word pairs, from what is left when one word is taken out (Bocek et al. 2007). Word pairs lie on disk; in memory are a
number a band and text, and a number a text.

Texts of the same word pairs are one text: the first stands for its copies. A crowd of near-duplicates does not make pairs of all with all
either: each of its texts is held against the first of the crowd, the `NUM_NEIGHBOURS` before it and as many after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prep.text.near_candidates import band_keys, band_shape, meetings, sums_by_text, without_one_word
from prep.text.word_pairs import CODE_BITS, Places, Shares, count_shared, word_pairs
from prep.text.words import Codes, Counts, in_parts, mix, word_codes

PAIR_SCHEMA = pl.Schema({"a": pl.UInt32(), "b": pl.UInt32(), "similarity": pl.Float64()})
"""Two places, `a` before `b`, and the share of their word pairs that they have in common (Jaccard)."""


_MIN_EDIT_WORDS = 5
_MIN_EDIT_CHARACTERS = 16
_EDIT_PARTS = 8

_MAX_PARTNERS = 32
_MAX_INHERITED = 16
_CANDIDATES_AT_ONCE = 2_000_000
_SHINGLES_AT_ONCE = 4_000_000


@dataclass
class NearIndex:
    """Texts to find near-duplicates among.

    Attributes:
        folder: where the word pairs are put.
        threshold: the Jaccard similarity of word pairs from which texts are near, in (0, 1].
        one_word: whether texts of at least `_MIN_EDIT_WORDS` words are near, too, that are the same but for one word of each.
    """

    folder: Path
    threshold: float
    one_word: bool = False
    _sizes: list[Counts] = field(default_factory=list)
    _keys: list[Codes] = field(default_factory=list)
    _num_texts: int = 0

    def __post_init__(self) -> None:
        for path in (self._codes_path, self._edits_path):
            path.write_bytes(b"")

    @property
    def _codes_path(self) -> Path:
        return self.folder / "word-pairs.bin"

    @property
    def _edits_path(self) -> Path:
        return self.folder / "edits.bin"

    def add(self, texts: pl.Series) -> None:
        """Adds texts; the first that is added has the place 0. Null and texts without words are near nothing."""
        for part in in_parts(texts):
            words = word_codes(part)
            shingles, sizes = word_pairs(words.codes, words.counts)
            with self._codes_path.open("ab") as file:
                shingles.tofile(file)
            if self.one_word:
                self._add_edits(words.codes, words.counts, part.str.len_chars().fill_null(0).to_numpy())
            self._sizes.append(sizes)
            self._keys.append(sums_by_text(mix(shingles), sizes))
            self._num_texts += len(part)

    def pairs(self) -> pl.DataFrame:
        """Returns the proven pairs (`PAIR_SCHEMA`)."""
        if not self._num_texts:
            return pl.DataFrame(schema=PAIR_SCHEMA)
        sizes, keys = np.concatenate(self._sizes), np.concatenate(self._keys)
        firsts, copies = _collapse(keys, sizes)
        proof = _Proof(self._codes_path, sizes)
        proven = _Proven(self._num_texts)
        standing = np.flatnonzero(firsts == np.arange(len(firsts)))
        standing = standing[sizes[standing] > 0]
        for one, other in _batched(self._band_candidates(standing)):
            one, other = proven.unsettled(one, other)  # noqa: PLW2901
            similarity = proof.similarity(one, other, self.threshold)
            proven.add(one, other, similarity, similarity >= self.threshold)
        if self.one_word:
            for one, other in _batched(self._edit_candidates(firsts)):
                one, other = proven.unsettled(one, other)  # noqa: PLW2901
                proven.add(one, other, proof.similarity(one, other, 0.0), np.ones(len(one), np.bool_))
        return _with_copies(proven.frame(), firsts, copies)

    def _band_candidates(self, standing: Places) -> Iterator[tuple[Places, Places]]:
        shingles = _mapped(self._codes_path)
        shape = band_shape(self.threshold, self._num_texts)
        ends = np.cumsum([sizes.sum() for sizes in self._sizes])
        parts = zip(self._sizes, ends, strict=True)
        bands = [band_keys(shingles[end - sizes.sum() : end], sizes, *shape) for sizes, end in parts]
        for band in range(shape[0]):
            keys = np.concatenate([part[band] for part in bands])[standing]
            yield from meetings(keys, standing)

    def _add_edits(self, codes: Codes, counts: Counts, characters: Counts) -> None:
        # In longer texts one word leaves enough word pairs for the threshold.
        longest = ceil((3 + self.threshold) / (1 - self.threshold)) + 8 if self.threshold < 1 else 0
        short = (counts >= _MIN_EDIT_WORDS) & (counts <= longest) & (characters >= _MIN_EDIT_CHARACTERS)
        edits, texts = without_one_word(codes[np.repeat(short, counts)], counts[short])
        rows = np.empty((len(edits), 2), np.uint64)
        rows[:, 0], rows[:, 1] = edits, np.flatnonzero(short)[texts] + self._num_texts
        with self._edits_path.open("ab") as file:
            rows.tofile(file)

    def _edit_candidates(self, firsts: Places) -> Iterator[tuple[Places, Places]]:
        rows = _mapped(self._edits_path).reshape(-1, 2)
        for part in range(_EDIT_PARTS):
            kept = [
                block[block[:, 0] % np.uint64(_EDIT_PARTS) == part]
                for block in (rows[start : start + _CANDIDATES_AT_ONCE] for start in range(0, len(rows), _CANDIDATES_AT_ONCE))
            ]
            if kept:
                edits = np.concatenate(kept)
                _, keys = np.unique(edits[:, 0], return_inverse=True)
                yield from meetings(keys.astype(np.uint32), firsts[edits[:, 1].astype(np.int64)])


def _collapse(keys: Codes, sizes: Counts) -> tuple[Places, Places]:
    """Returns the first text of the same word pairs for each text, and the texts that are not the first."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    firsts = np.where(sizes > 0, first[inverse], np.arange(len(keys)))
    return firsts, np.flatnonzero(firsts != np.arange(len(keys)))


def _batched(candidates: Iterator[tuple[Places, Places]]) -> Iterator[tuple[Places, Places]]:
    waiting: list[tuple[Places, Places]] = []
    count = 0
    for pair in candidates:
        waiting.append(pair)
        count += len(pair[0])
        if count >= _CANDIDATES_AT_ONCE:
            yield np.concatenate([one for one, _ in waiting]), np.concatenate([other for _, other in waiting])
            waiting, count = [], 0
    if waiting:
        yield np.concatenate([one for one, _ in waiting]), np.concatenate([other for _, other in waiting])


class _Proven:
    """The pairs that are proven so far."""

    def __init__(self, num_texts: int) -> None:
        self._num_texts = num_texts
        self._keys = np.empty(0, np.int64)  # sorted
        self._found: list[tuple[Places, Shares]] = []
        self._partners = np.zeros(num_texts, np.int32)

    def unsettled(self, one: Places, other: Places) -> tuple[Places, Places]:
        """Returns the pairs that are not proven yet, each once; a pair of texts that both have `_MAX_PARTNERS` says nothing new."""
        keys = np.unique(np.minimum(one, other) * self._num_texts + np.maximum(one, other))
        if len(self._keys):
            at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            keys = keys[self._keys[at] != keys]
        one, other = np.divmod(keys, self._num_texts)
        wanted = (one != other) & (np.minimum(self._partners[one], self._partners[other]) < _MAX_PARTNERS)
        return one[wanted], other[wanted]

    def add(self, one: Places, other: Places, similarity: Shares, near: NDArray[np.bool_]) -> None:
        keys = one[near] * self._num_texts + other[near]
        self._found.append((keys, similarity[near]))
        self._keys = np.sort(np.concatenate((self._keys, keys)))
        for places in (one[near], other[near]):
            self._partners += np.bincount(places, minlength=self._num_texts).astype(np.int32)

    def frame(self) -> pl.DataFrame:
        keys = np.concatenate([np.empty(0, np.int64), *(keys for keys, _ in self._found)])
        one, other = np.divmod(keys, self._num_texts)
        similarity = np.concatenate([np.empty(0), *(shares for _, shares in self._found)])
        return pl.DataFrame({"a": one, "b": other, "similarity": similarity}, schema=PAIR_SCHEMA)


class _Proof:
    """Exact similarity, from the word pairs on disk."""

    def __init__(self, path: Path, sizes: Counts) -> None:
        self._codes = _mapped(path)
        self._sizes = sizes
        self._starts = np.cumsum(sizes) - sizes

    def similarity(self, one: Places, other: Places, lowest: float) -> Shares:
        """Returns the Jaccard similarity of each pair (Jaccard 1912); 0 where the sizes alone put it below the lowest that matters."""
        shares = np.zeros(len(one))
        sizes, other_sizes = self._sizes[one], self._sizes[other]
        possible = np.flatnonzero(np.minimum(sizes, other_sizes) >= lowest * np.maximum(sizes, other_sizes) - 1e-9)
        ends = np.cumsum((sizes + other_sizes)[possible])
        start = 0
        while start < len(possible):
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + _SHINGLES_AT_ONCE, "right")))
            chosen = possible[start:stop]
            packed = np.concatenate((self._packed(one[chosen]), self._packed(other[chosen])))
            num_shared = count_shared(packed, len(chosen))
            shares[chosen] = num_shared / np.maximum(sizes[chosen] + other_sizes[chosen] - num_shared, 1)
            start = stop
        return shares

    def _packed(self, texts: Places) -> Codes:
        """Returns the texts' word pairs, each below the number of its text among these."""
        sizes = self._sizes[texts]
        numbers = np.repeat(np.arange(len(texts)), sizes)
        within = np.arange(len(numbers)) - (np.cumsum(sizes) - sizes)[numbers]
        packed: Codes = (numbers.astype(np.uint64) << CODE_BITS) | self._codes[self._starts[texts][numbers] + within]
        return packed


def _mapped(path: Path) -> Codes:
    return np.memmap(path, np.uint64, "r") if path.stat().st_size else np.empty(0, np.uint64)


def _with_copies(pairs: pl.DataFrame, firsts: Places, copies: Places) -> pl.DataFrame:
    """Adds what copies are near to: their first, and the earliest few of what that is near to."""
    if not len(copies):
        return pairs.sort("a", "b")
    copied = pl.DataFrame({"first": firsts[copies], "copy": copies}, schema={"first": pl.UInt32, "copy": pl.UInt32})
    both = pl.concat(
        [pairs.rename({"a": "first", "b": "other"}), pairs.select(pl.col("b").alias("first"), pl.col("a").alias("other"), "similarity")]
    )
    inherited = (
        both.join(copied.select("first").unique(), on="first", how="semi")
        .filter(pl.col("other").rank("ordinal").over("first") <= _MAX_INHERITED)
        .join(copied, on="first")
        .select(a=pl.min_horizontal("other", "copy"), b=pl.max_horizontal("other", "copy"), similarity="similarity")
    )
    equal = copied.select(a="first", b="copy", similarity=pl.lit(1.0))
    return pl.concat([pairs, equal, inherited]).sort("a", "b")
