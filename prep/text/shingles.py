"""The word pairs of a text, and how alike two texts are by them."""

from itertools import pairwise

from prep.text.words import words


def shingles(text: str) -> frozenset[str]:
    """Returns the pairs of neighbouring words of a text (`prep.text.words`); a text of one word or none is its own shingle."""
    found = words(text)
    return frozenset(map(" ".join, pairwise(found))) if len(found) > 1 else frozenset((" ".join(found),))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Returns the size of the intersection over that of the union (Jaccard 1912), in [0, 1]; 1 for two empty sets."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0
