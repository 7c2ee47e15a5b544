"""In which language a row is, as far as a metric has to know it: by its small words, however short the text."""

from collections.abc import Sequence
from functools import cache

from evals.data.rows import EvalRow
from evals.metrics.words import script_words

# The beginning tells; a long document need not be read to the end for it.
_MAX_CHARACTERS = 2000


def is_english(row: EvalRow) -> bool:
    """Says whether a row's reference and input are in English: no other known language has more of its small words there."""
    return likeliest_language(f"{row.reference}\n{row.input_text}") == "en"


def likeliest_language(text: str, first: Sequence[str] = ("en",)) -> str:
    """Returns the language in Latin script whose small words weigh most, each counting 1 / (number of languages that have it).

    Args:
        text: the text; its first 2,000 characters are read.
        first: which language it is where several weigh the same, or none has a word there.
    """
    weights = dict.fromkeys(first, 0.0)
    for word in script_words(text[:_MAX_CHARACTERS]):
        languages = _languages().get(word, ())
        for language in languages:
            weights[language] = weights.get(language, 0.0) + 1 / len(languages)
    return max(weights, key=lambda language: round(weights[language], 9))


@cache
def _languages() -> dict[str, tuple[str, ...]]:
    from prep.text.language_words import FUNCTION_WORDS

    found: dict[str, tuple[str, ...]] = {}
    for language, words in FUNCTION_WORDS.items():
        for word in words:
            found[word] = (*found.get(word, ()), language)
    return found
