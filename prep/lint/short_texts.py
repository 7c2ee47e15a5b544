"""The language of texts in whose few words nothing tells it: by lingua (Apache-2.0), which the extra `text` installs,
held against the English word list of symspellpy, which it installs too."""

import re
from collections.abc import Collection
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from prep.lint.languages import FUNCTION_WORDS
from prep.lint.spelling import known_words

if TYPE_CHECKING:
    from lingua import LanguageDetector

MAX_CHARACTERS = 300
MIN_WORDS = 3
"""A word or two are a name, a brand or an exclamation as often as a sentence."""

_WORD = re.compile(r"[^\W\d_]{2,}")
# lingua tells the two ways of writing Norwegian apart.
_CODES = {"no": "nb"}


def can_read_short_texts() -> bool:
    """Says whether lingua is installed."""
    return find_spec("lingua") is not None


def short_text_language(text: str, expected: Collection[str], min_confidence: float) -> str | None:
    """Returns the language of a text in Latin script where it surely is none of those expected, else None.

    Args:
        text: the text; its first 300 characters are read.
        expected: codes of the languages that it may be in.
        min_confidence: how likely the language is to be, among all that are known, in [0, 1].
    """
    text = text[:MAX_CHARACTERS]
    if not can_read_short_texts() or not FUNCTION_WORDS.keys() >= set(expected) or len(_WORD.findall(text)) < MIN_WORDS:
        return None
    best = _detector().compute_language_confidence_values(text)[0]
    code = best.language.iso_code_639_1.name.lower()
    language = next((name for name, other in _CODES.items() if other == code), code)
    if language in expected or best.value < min_confidence or ("en" in expected and _is_english(text)):
        return None
    return language


def _is_english(text: str) -> bool:
    """Says whether half of the words are in an English dictionary: rare ones, as in `Wretched crepes`, look foreign by their letters."""
    if find_spec("symspellpy") is None:
        return False
    words = _WORD.findall(text.lower())
    return 2 * sum(word in _english_words() for word in words) >= len(words)


@cache
def _english_words() -> frozenset[str]:
    return frozenset(known_words()["word"])


@cache
def _detector() -> "LanguageDetector":
    from lingua import IsoCode639_1, Language, LanguageDetectorBuilder

    codes = [_CODES.get(language, language).upper() for language in FUNCTION_WORDS]
    languages = [Language.from_iso_code_639_1(getattr(IsoCode639_1, code)) for code in codes]
    # Trigrams alone: all n-grams of these languages take 700 MB, and their confidence is no better calibrated.
    return LanguageDetectorBuilder.from_languages(*languages).with_low_accuracy_mode().build()
