"""Which texts are near-duplicates: candidates by their hashes, each pair proven on the word pairs themselves; in bounded memory.

Candidates come from MinHash with banding (Broder 1997; Leskovec, Rajaraman and Ullman 2014), and for short texts, where one word of eight
is a third of the word pairs, from what is left when one word is taken out (Bocek et al. 2007). Word pairs lie on disk; in memory are a
number a band and text, and a number a text.

Texts of the same word pairs are one text: the first stands for its copies. A crowd of near-duplicates does not make pairs of all with all
either: each of its texts is held against the first of the crowd, the `_NEIGHBOURS` before it and as many after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil, log, log1p
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prep.text.words import Codes, Counts, in_parts, mix, word_codes

PAIR_SCHEMA = pl.Schema({"a": pl.UInt32(), "b": pl.UInt32(), "similarity": pl.Float64()})
"""Two places, `a` before `b`, and the share of their word pairs that they have in common (Jaccard)."""

# A pair at the threshold is to be found with at least this chance, in bands as long as that many hashes allow: other pairs
# seldom meet in a long band.
_MIN_RECALL = 0.995
_MAX_HASHES = 160
# Of few texts few meet by chance, so that shorter bands, which take fewer hashes, are the faster ones.
_FEW_TEXTS = 50_000
_MAX_HASHES_OF_FEW = 100
_BAND_LENGTHS = (24, 16, 12, 8, 6, 5, 4, 3, 2, 1)
_SEED = 17
_FACTOR = 0x9E3779B97F4A7C15

# Of 40 bits: two of a thousand different word pairs are taken for one once in two million texts.
_CODE_BITS = np.uint64(40)
_CODE_MASK = np.uint64((1 << 40) - 1)

_MIN_EDIT_WORDS = 5
_MIN_EDIT_CHARACTERS = 16
_EDIT_PARTS = 8

_NEIGHBOURS = 16
_MAX_PARTNERS = 32
_MAX_INHERITED = 16
_CANDIDATES_AT_ONCE = 2_000_000
_SHINGLES_AT_ONCE = 4_000_000

Places = NDArray[np.int64]
Shares = NDArray[np.float64]


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
            shingles, sizes = _word_pairs(words.codes, words.counts)
            with self._codes_path.open("ab") as file:
                shingles.tofile(file)
            if self.one_word:
                self._add_edits(words.codes, words.counts, part.str.len_chars().fill_null(0).to_numpy())
            self._sizes.append(sizes)
            self._keys.append(_sums(mix(shingles), sizes))
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
        bands = [_band_keys(shingles[end - sizes.sum() : end], sizes, *shape) for sizes, end in parts]
        for band in range(shape[0]):
            keys = np.concatenate([part[band] for part in bands])[standing]
            yield from _meetings(keys, standing)

    def _add_edits(self, codes: Codes, counts: Counts, characters: Counts) -> None:
        # In longer texts one word leaves enough word pairs for the threshold.
        longest = ceil((3 + self.threshold) / (1 - self.threshold)) + 8 if self.threshold < 1 else 0
        short = (counts >= _MIN_EDIT_WORDS) & (counts <= longest) & (characters >= _MIN_EDIT_CHARACTERS)
        edits, texts = _without_one_word(codes[np.repeat(short, counts)], counts[short])
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
                yield from _meetings(keys.astype(np.uint32), firsts[edits[:, 1].astype(np.int64)])


def similarities(one: pl.Series, other: pl.Series) -> Shares:
    """Returns the exact Jaccard similarity of the word pairs of each text and the one beside it; 0 where one of them has no word."""
    shares = [np.empty(0)]
    start = 0
    for part in in_parts(one):
        beside = other[start : start + len(part)]
        start += len(part)
        packed, sizes = [], []
        for texts in (part, beside):
            words = word_codes(texts)
            codes, counts = _word_pairs(words.codes, words.counts)
            packed.append((np.repeat(np.arange(len(counts)), counts).astype(np.uint64) << _CODE_BITS) | codes)
            sizes.append(counts)
        num_shared = _num_shared(np.concatenate(packed), len(part))
        shares.append(num_shared / np.maximum(sizes[0] + sizes[1] - num_shared, 1))
    return np.concatenate(shares)


def _num_shared(packed: Codes, num_pairs: int) -> Counts:
    """Returns how many codes stand twice below each number."""
    packed.sort()
    shared = packed[:-1][packed[1:] == packed[:-1]] >> _CODE_BITS
    return np.bincount(shared.astype(np.int64), minlength=num_pairs)


def band_shape(threshold: float, num_texts: int) -> tuple[int, int]:
    """Returns the number of bands and the hashes of each, for pairs of a threshold among so many texts.

    A pair of similarity s meets in one of b bands of r hashes with the chance 1 - (1 - s^r)^b.
    """
    max_hashes = _MAX_HASHES if num_texts > _FEW_TEXTS else _MAX_HASHES_OF_FEW
    for length in _BAND_LENGTHS:
        chance = min(threshold**length, 1 - 1e-9)
        num_bands = ceil(log(1 - _MIN_RECALL) / log1p(-chance))
        if num_bands * length <= max_hashes or length == 1:
            return num_bands, length
    raise AssertionError("the last length always returns")


def _word_pairs(codes: Codes, counts: Counts) -> tuple[Codes, Counts]:
    """Returns the codes of each text's word pairs, each once and sorted, and their number a text; a text of one word has that word."""
    texts = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    following = texts[1:] == texts[:-1]
    pairs = mix(codes[:-1] * np.uint64(3) + codes[1:])[following]
    alone = counts == 1
    lone = codes[np.repeat(alone, counts)]
    owners = np.concatenate((texts[:-1][following], np.flatnonzero(alone).astype(np.uint64)))
    packed = (owners << _CODE_BITS) | (np.concatenate((pairs, mix(lone))) >> np.uint64(24))
    packed.sort()
    packed = packed[np.concatenate(([True], packed[1:] != packed[:-1]))] if len(packed) else packed
    return packed & _CODE_MASK, np.bincount((packed >> _CODE_BITS).astype(np.int64), minlength=len(counts))


def _sums(values: Codes, sizes: Counts) -> Codes:
    """Returns the sum of each text's values, modulo 2^64."""
    sums = np.zeros(len(sizes), np.uint64)
    filled = sizes > 0
    if filled.any():
        sums[filled] = np.add.reduceat(values, (np.cumsum(sizes) - sizes)[filled])
    return sums


def _band_keys(shingles: Codes, sizes: Counts, num_bands: int, length: int) -> NDArray[np.uint32]:
    """Returns a number a band and text [num_bands, num_texts]; texts with the same smallest hashes in a band have the same."""
    keys = np.zeros((num_bands, len(sizes)), np.uint32)
    filled = sizes > 0
    if not filled.any():
        return keys
    starts = (np.cumsum(sizes) - sizes)[filled]
    hashed = (mix(shingles) >> np.uint64(32)).astype(np.uint32)
    numbers = np.random.default_rng(_SEED).integers(1 << 32, size=(num_bands, length, 2), dtype=np.uint32)
    permuted = np.empty_like(hashed)
    for band in range(num_bands):
        key = np.zeros(len(starts), np.uint64)
        for factor, summand in numbers[band]:
            np.multiply(hashed, factor | np.uint32(1), out=permuted)
            np.add(permuted, summand, out=permuted)
            key = key * np.uint64(_FACTOR) + np.minimum.reduceat(permuted, starts)
        keys[band, filled] = (mix(key) >> np.uint64(32)).astype(np.uint32)
    return keys


def _without_one_word(codes: Codes, counts: Counts) -> tuple[Codes, Places]:
    """Returns the codes of each text as it is and without each of its words in turn, and the text of each code."""
    texts = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    places = (np.arange(len(codes)) - starts[texts]).astype(np.uint64)
    here, moved = mix(codes + mix(places)), mix(codes + mix(places - np.uint64(1)))
    # The words before the one that is left out stay in their places, those after it move up by one.
    whole = _sums(here, counts)
    before = np.cumsum(here) - here
    after = np.cumsum(moved)
    before -= before[starts][texts] if len(codes) else before
    ends = after[starts + counts - 1][texts] if len(codes) else after
    return np.concatenate((whole, before + (ends - after))), np.concatenate((np.arange(len(counts)), texts))


def _collapse(keys: Codes, sizes: Counts) -> tuple[Places, Places]:
    """Returns the first text of the same word pairs for each text, and the texts that are not the first."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    firsts = np.where(sizes > 0, first[inverse], np.arange(len(keys)))
    return firsts, np.flatnonzero(firsts != np.arange(len(keys)))


def _meetings(keys: NDArray[np.uint32], places: Places) -> Iterator[tuple[Places, Places]]:
    """Yields pairs of places with equal keys: near neighbours in the order of the places, and each with the first."""
    # Key and place in one number sort twice as fast as places by key.
    packed = (keys.astype(np.uint64) << np.uint64(32)) | places.astype(np.uint64)
    packed.sort()
    same = packed[1:] >> np.uint64(32) == packed[:-1] >> np.uint64(32)
    if not same.any():
        return
    packed = packed[np.append(same, False) | np.append(False, same)]
    keys, places = (packed >> np.uint64(32)).astype(np.uint32), (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)
    begins = np.append(True, keys[1:] != keys[:-1])
    first = np.flatnonzero(begins)[np.cumsum(begins) - 1]
    for step in range(1, _NEIGHBOURS + 1):
        meet = np.flatnonzero(first[step:] == first[:-step])
        if not len(meet):
            return
        yield places[meet], places[meet + step]
    far = np.flatnonzero(np.arange(len(first)) - first > _NEIGHBOURS)
    yield places[first[far]], places[far]


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
            num_shared = _num_shared(packed, len(chosen))
            shares[chosen] = num_shared / np.maximum(sizes[chosen] + other_sizes[chosen] - num_shared, 1)
            start = stop
        return shares

    def _packed(self, texts: Places) -> Codes:
        """Returns the texts' word pairs, each below the number of its text among these."""
        sizes = self._sizes[texts]
        numbers = np.repeat(np.arange(len(texts)), sizes)
        within = np.arange(len(numbers)) - (np.cumsum(sizes) - sizes)[numbers]
        packed: Codes = (numbers.astype(np.uint64) << _CODE_BITS) | self._codes[self._starts[texts][numbers] + within]
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
