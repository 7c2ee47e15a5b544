"""Likely misspellings of English, by symspellpy (MIT), which the extra `text` installs, and the word list that comes with it."""

import re
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import polars as pl

_WORD_LIST = "frequency_dictionary_en_82_765.txt"
# Endings that make words of words; their stems are what a dictionary of 82,765 words has.
_ENDINGS = ("s", "es", "ed", "d", "ing", "er", "ers", "ly", "ness", "ment", "able", "ally", "like", "less", "al", "ic", "y")
_BEGINNINGS = ("un", "re", "non", "pre", "post", "over", "under", "anti", "multi", "sub", "inter", "co", "dis", "mis", "out", "semi")


@cache
def known_words() -> pl.DataFrame:
    """Returns the words that need no look, as the column `word`."""
    return pl.DataFrame({"word": list(_speller().words)})


def suggest(word: str, min_frequency: int) -> str | None:
    """Returns the common word that an unknown one is most likely meant to be, or None where it is a word of its own.

    Args:
        word: in lower case.
        min_frequency: how often the word meant stands in the list.
    """
    from symspellpy import Verbosity  # type: ignore[import-untyped, import-not-found, unused-ignore]

    speller = _speller()
    if _is_built(word, speller.words):
        return None
    found = speller.lookup(word, Verbosity.TOP, max_edit_distance=1)
    if not found or found[0].count < min_frequency or len(found[0].term) < 4 or _spelling_of(found[0].term) == _spelling_of(word):
        return None
    return str(found[0].term)


def is_slip(word: str, right: str) -> bool:
    """Says whether a word is another with two neighbouring letters exchanged, or with too many or too few of a letter in a row.

    Such a word is hardly ever one of its own: in some 6,000 summaries, notes and chats by people nine of nine were slips, and of the other
    suggestions for unknown words fewer than half.
    """
    if re.sub(r"(.)\1+", r"\1", word) == re.sub(r"(.)\1+", r"\1", right):
        return True
    apart = [place for place, letters in enumerate(zip(word, right, strict=False)) if len(set(letters)) > 1]
    if len(word) != len(right) or len(apart) != 2 or apart[0] == 0:
        return False
    first, second = apart
    return second == first + 1 and word[first] == right[second] and word[second] == right[first]


def _spelling_of(word: str) -> str:
    """Makes British and American spellings equal: colour, analyse, orthopaedic, travelled, archaeology."""
    for british, american in (("our", "or"), ("ys", "yz"), ("is", "iz"), ("ae", "e"), ("oe", "e"), ("ll", "l"), ("ogue", "og")):
        word = word.replace(british, american)
    return word


def _is_built(word: str, known: dict[str, int]) -> bool:
    """Says whether a word is a known one with an ending or a beginning, or two known ones together."""
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 4 and (stem in known or f"{stem}e" in known or f"{stem[:-1]}y" in known):
            return True
    if any(word.startswith(beginning) and word[len(beginning) :] in known for beginning in _BEGINNINGS):
        return True
    return any(len(word) - cut >= 3 and word[:cut] in known and word[cut:] in known for cut in range(3, len(word) - 2))


@cache
def _speller() -> Any:
    from symspellpy import SymSpell  # type: ignore[import-untyped, import-not-found, unused-ignore]

    speller = SymSpell(max_dictionary_edit_distance=1, prefix_length=7)
    with as_file(files("symspellpy") / _WORD_LIST) as path:
        speller.load_dictionary(path, term_index=0, count_index=1)
    return speller
