"""The words of texts as near-duplicates are compared by, in any script: of one text as strings, of many as 64-bit codes.

A word is a run of letters, digits and their marks in the normalised text. Apostrophes are left out ("don't" is "dont"), other punctuation
parts words and is none. Each symbol stands alone, and so does each character of a script that writes without spaces (Han, kana, Thai, Lao,
Khmer, Burmese): its words cannot be told apart without a dictionary.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prep.text.normalise import normalise

Codes = NDArray[np.uint64]
Counts = NDArray[np.int64]

_BREAK, _LETTER, _ALONE, _DROPPED = 0, 1, 2, 3
_BASIC_PLANE = 0x10000
_APOSTROPHES = frozenset("'\u2018\u2019\u02bc\u200b\u200c\u200d\u00ad\ufe0f")
_NO_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x9FFF),  # Han
    (0xF900, 0xFAFF),
)
_LINE_BREAK = 10
_BASE = 0x9FB21C651E98DF25
_BYTES_AT_ONCE = 500_000  # what is made of them stays in the processor's cache
_NUM_KEPT = 600_000


@dataclass(frozen=True, slots=True)
class WordCodes:
    """The words of some texts, one text after another.

    Attributes:
        codes: each word's code [num_words]; equal words have equal codes.
        counts: the words of each text [num_texts].
    """

    codes: Codes
    counts: Counts


def words(text: str) -> list[str]:
    """Returns the words of a text."""
    return normalise(text).translate(_SPACED).split()


def word_codes(texts: pl.Series) -> WordCodes:
    """Returns the words of texts; null has none. Needs about 30 bytes a character while it works."""
    if not len(texts):
        return WordCodes(np.empty(0, np.uint64), np.empty(0, np.int64))
    texts = texts.fill_null("")
    # Of ASCII texts nothing but the case is to be normalised, as it is all the same what white space parts words.
    lower = texts.str.to_lowercase().str.replace_all("\n", " ", literal=True)
    beyond_ascii = texts.str.len_bytes() != texts.str.len_chars()
    if beyond_ascii.any():  # parted character by character, so that within bytes only ASCII is looked at
        rows = beyond_ascii.arg_true()
        lower = lower.scatter(rows, [" ".join(words(text)) for text in texts.gather(rows)])
    data = "\n".join(lower.to_list()).encode("utf-8").translate(None, b"'")
    characters, kinds = np.frombuffer(data, np.uint8), np.frombuffer(data.translate(_byte_kinds()), np.uint8)
    is_letter = kinds == _LETTER
    starts = np.flatnonzero((kinds == _ALONE) | (is_letter & ~np.append(False, is_letter[:-1])))
    text_ends = np.append(np.flatnonzero(characters == _LINE_BREAK), len(characters))
    counts = np.diff(np.searchsorted(starts, text_ends), prepend=0)
    if not len(starts):
        return WordCodes(np.empty(0, np.uint64), counts)
    # A word's code is the polynomial of its bytes (Karp and Rabin 1987), modulo 2^64; what parts words gives nothing.
    powers, inverse = _powers(len(characters))
    given = characters * powers[: len(characters)]
    given[kinds == _BREAK] = 0
    return WordCodes(mix(np.add.reduceat(given, starts) * inverse[starts]), counts)


def in_parts(texts: pl.Series) -> Iterator[pl.Series]:
    """Yields the texts in parts of at most so many bytes, a longer text alone."""
    ends = texts.str.len_bytes().fill_null(0).cum_sum().to_numpy()
    start = 0
    while start < len(texts):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _BYTES_AT_ONCE, "right")))
        yield texts[start:stop]
        start = stop


def mix(values: Codes) -> Codes:
    """Returns numbers whose every bit depends on every bit of the given ones (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _kind(point: int) -> int:
    if chr(point) in _APOSTROPHES:
        return _DROPPED
    if any(first <= point <= last for first, last in _NO_SPACES) or point >= _BASIC_PLANE:
        return _ALONE
    category = unicodedata.category(chr(point))
    if category[0] in "LNM":
        return _LETTER
    return _ALONE if category[0] == "S" else _BREAK


@cache
def _byte_kinds() -> bytes:
    """Returns the kind of each byte of UTF-8: beyond ASCII, texts were parted before."""
    return bytes(_kind(byte) if byte < 128 else _LETTER for byte in range(256))


def _powers(count: int) -> tuple[Codes, Codes]:
    """Returns at least so many powers of an odd number, and of its inverse modulo 2^64."""
    return _kept_powers() if count <= _NUM_KEPT else _make_powers(count)


@cache
def _kept_powers() -> tuple[Codes, Codes]:
    return _make_powers(_NUM_KEPT)


def _make_powers(count: int) -> tuple[Codes, Codes]:
    both = (np.full(count, base, np.uint64) for base in (_BASE, pow(_BASE, -1, 1 << 64)))
    powers, inverse = (np.multiply.accumulate(one) for one in both)
    return powers, inverse


class _Spaced(dict[int, str]):
    """What each character becomes in a text whose words are parted by spaces; filled as characters come."""

    def __missing__(self, point: int) -> str:
        char = chr(point)
        self[point] = {_BREAK: " ", _LETTER: char, _ALONE: f" {char} ", _DROPPED: ""}[_kind(point)]
        return self[point]


_SPACED = _Spaced()
