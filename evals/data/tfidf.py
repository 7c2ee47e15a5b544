"""Texts as TF-IDF vectors: what the linear baseline and the search for neighbours share."""

from typing import Any

import numpy as np

# scikit-learn's own pattern drops words of one letter, such as "I" and every single Han character.
_ALL_WORDS = {"token_pattern": r"(?u)\b\w+\b"}


def text_features() -> Any:
    """Returns an unfitted scikit-learn transformer: TF-IDF of words and word pairs beside that of characters within words.

    Words alone lose misspellings and every script without spaces; characters alone lose order.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32, **_ALL_WORDS)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32)
    return make_union(words, characters)
