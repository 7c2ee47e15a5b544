"""Which texts may be near-duplicates: those that meet in a band of MinHash values, or without one of their words."""

from collections.abc import Iterator
from math import ceil, log, log1p

import numpy as np
from numpy.typing import NDArray

from prep.text.word_pairs import Places
from prep.text.words import Codes, Counts, mix

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

NUM_NEIGHBOURS = 16


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


def sums_by_text(values: Codes, sizes: Counts) -> Codes:
    """Returns the sum of each text's values, modulo 2^64."""
    sums = np.zeros(len(sizes), np.uint64)
    filled = sizes > 0
    if filled.any():
        sums[filled] = np.add.reduceat(values, (np.cumsum(sizes) - sizes)[filled])
    return sums


def band_keys(shingles: Codes, sizes: Counts, num_bands: int, length: int) -> NDArray[np.uint32]:
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


def without_one_word(codes: Codes, counts: Counts) -> tuple[Codes, Places]:
    """Returns the codes of each text as it is and without each of its words in turn, and the text of each code."""
    texts = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    places = (np.arange(len(codes)) - starts[texts]).astype(np.uint64)
    here, moved = mix(codes + mix(places)), mix(codes + mix(places - np.uint64(1)))
    # The words before the one that is left out stay in their places, those after it move up by one.
    whole = sums_by_text(here, counts)
    before = np.cumsum(here) - here
    after = np.cumsum(moved)
    before -= before[starts][texts] if len(codes) else before
    ends = after[starts + counts - 1][texts] if len(codes) else after
    return np.concatenate((whole, before + (ends - after))), np.concatenate((np.arange(len(counts)), texts))


def meetings(keys: NDArray[np.uint32], places: Places) -> Iterator[tuple[Places, Places]]:
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
    for step in range(1, NUM_NEIGHBOURS + 1):
        meet = np.flatnonzero(first[step:] == first[:-step])
        if not len(meet):
            return
        yield places[meet], places[meet + step]
    far = np.flatnonzero(np.arange(len(first)) - first > NUM_NEIGHBOURS)
    yield places[first[far]], places[far]
