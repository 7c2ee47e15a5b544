"""The word pairs of texts as numbers, and the share of them that two texts have in common."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prep.text.words import Codes, Counts, in_parts, mix, word_codes

# Of 40 bits: two of a thousand different word pairs are taken for one once in two million texts.
CODE_BITS = np.uint64(40)
CODE_MASK = np.uint64((1 << 40) - 1)

Places = NDArray[np.int64]
Shares = NDArray[np.float64]


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
            codes, counts = word_pairs(words.codes, words.counts)
            packed.append((np.repeat(np.arange(len(counts)), counts).astype(np.uint64) << CODE_BITS) | codes)
            sizes.append(counts)
        num_shared = count_shared(np.concatenate(packed), len(part))
        shares.append(num_shared / np.maximum(sizes[0] + sizes[1] - num_shared, 1))
    return np.concatenate(shares)


def count_shared(packed: Codes, num_pairs: int) -> Counts:
    """Returns how many codes stand twice below each number."""
    packed.sort()
    shared = packed[:-1][packed[1:] == packed[:-1]] >> CODE_BITS
    return np.bincount(shared.astype(np.int64), minlength=num_pairs)


def word_pairs(codes: Codes, counts: Counts) -> tuple[Codes, Counts]:
    """Returns the codes of each text's word pairs, each once and sorted, and their number a text; a text of one word has that word."""
    texts = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    following = texts[1:] == texts[:-1]
    pairs = mix(codes[:-1] * np.uint64(3) + codes[1:])[following]
    alone = counts == 1
    lone = codes[np.repeat(alone, counts)]
    owners = np.concatenate((texts[:-1][following], np.flatnonzero(alone).astype(np.uint64)))
    packed = (owners << CODE_BITS) | (np.concatenate((pairs, mix(lone))) >> np.uint64(24))
    packed.sort()
    packed = packed[np.concatenate(([True], packed[1:] != packed[:-1]))] if len(packed) else packed
    return packed & CODE_MASK, np.bincount((packed >> CODE_BITS).astype(np.int64), minlength=len(counts))
