"""Texts as TF-IDF vectors: what the linear baseline and the search for neighbours share."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

# scikit-learn's own pattern drops words of one letter, such as "I" and every single Han character.
_WORD = r"(?u)\b\w+\b"


def text_features(texts: Sequence[str]) -> Any:
    """Returns a scikit-learn transformer that is yet to be fitted to these texts: TF-IDF of words and word pairs beside that of characters.

    Words alone lose misspellings and every script without spaces; characters alone lose order. Texts of marks alone, such as emoji, have
    no words and are told apart by characters; blank texts have neither, and there is None.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    if not any(text.strip() for text in texts):
        return None
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32, token_pattern=_WORD)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32)
    return make_union(words, characters) if any(re.search(_WORD, text) for text in texts) else make_union(characters)
