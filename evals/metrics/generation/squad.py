"""How SQuAD compares short answers (Rajpurkar et al. 2016), made to keep scripts other than ours."""

import string
import unicodedata

from evals.metrics.words import split_unspaced

_ARTICLES = frozenset({"a", "an", "the"})
_PUNCTUATION = frozenset(string.punctuation)


def answer_tokens(text: str, *, in_english: bool) -> list[str]:
    """Returns the words that an answer is compared by.

    Lower case, without punctuation, without articles: what SQuAD's own script leaves of ASCII text. Beyond it, wide and narrow forms of a
    letter are one (NFKC), punctuation of every script goes, and where a script puts no spaces between words each character stands alone.

    Args:
        text: the answer.
        in_english: leave `a`, `an` and `the` out; they are words of their own in other languages.
    """
    kept = "".join(character for character in unicodedata.normalize("NFKC", text).lower() if not _is_punctuation(character))
    tokens = [part for word in kept.split() for part in split_unspaced(word)]
    return [token for token in tokens if token not in _ARTICLES] if in_english else tokens


def _is_punctuation(character: str) -> bool:
    return character in _PUNCTUATION or unicodedata.category(character)[0] == "P"
