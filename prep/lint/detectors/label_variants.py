"""Which of a label set's words are another spelling, a synonym of, or a stranger among the words that nearly all rows use."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.detectors.label_synonyms import are_synonyms
from prep.text.normalise import normalise

MAX_LABEL_CHARACTERS = 40
"""What is longer is an answer of another kind."""
# What may stand around a label without being part of it.
_AROUND = re.compile(r"^[\s\W_]+|[\s\W_]+$")
_JOINTS = re.compile(r"[\s_\-/]+")
_LEAD = re.compile(
    r"^(?:the )?(?:label|answer|class|category|sentiment|intent|output|result|prediction|topic|type)(?: is)?\s*[:=]?\s+|^it is "
)
_SPELLING_RATIO = 2
_LARGEST_SET = 12
# Below it a word with one row may be a class that is rare.
_LARGE_CLASS = 100
_DIGITS = re.compile(r"\d+")


def label_word() -> pl.Expr:
    """Returns the word that a row of the lint frame is labelled with: the choice that is given, else its answer."""
    return pl.coalesce(pl.col("label"), pl.col("answer").str.strip_chars())


@dataclass(frozen=True, slots=True)
class Limits:
    """When a word counts as rare.

    Attributes:
        ratio: the label that is meant is this many times as frequent.
        similarity: difflib's ratio above which two words are one with a slip of the pen.
        class_share: in a small set, each word has at least this share of the rows; else rarer words may be classes of their own.
        stranger_share: a word that resembles none is a stranger where it has at most this share.
    """

    ratio: float
    similarity: float
    class_share: float
    stranger_share: float


# Of CON204: what a config sets the limits by.
RATIO = Threshold("ratio", 10, "a label is a variant if the one it resembles is this many times as frequent")
SIMILARITY = Threshold(
    "similarity", 0.8, "difflib's ratio (Ratcliff and Obershelp 1988); 'positve' to 'positive' is 0.93, 'male' to 'female' is 0.8"
)
CLASS_SHARE = Threshold(
    "class_share", 0.03, "every label of a small set has at least this share; 13 of 20 kinds of clinical note have less"
)
STRANGER_SHARE = Threshold("stranger_share", 0.01, "a label with a larger share is a class of its own")


def variant_limits(context: Context) -> Limits:
    """Returns when a word counts as rare in this run."""
    return Limits(**{one.name: context.value("CON204", one) for one in (RATIO, SIMILARITY, CLASS_SHARE, STRANGER_SHARE)})


@dataclass(frozen=True, slots=True)
class LabelVariant:
    """A word that is not one of the set's.

    Attributes:
        word: as it is written.
        meant: the label that is meant; None if it resembles no other.
        kind: spelling, abbreviation, typing, synonym, or stranger.
    """

    word: str
    meant: str | None
    kind: str


def find_variants(counts: Mapping[str, int], limits: Limits) -> list[LabelVariant]:
    """Returns the words of a closed set that drifted.

    Args:
        counts: each word of the set, as written, with its rows.
        limits: when a word counts as rare.
    """
    order = sorted(counts, key=lambda word: (-counts[word], word))
    keys = {word: bare(word) for word in order}
    own = [word for index, word in enumerate(order) if keys[word] not in {keys[other] for other in order[:index]}]
    found = []
    for word in order:
        drift = _resembling(word, own, counts, keys, limits)
        if drift is not None:
            found.append(drift)
    meant: dict[str, str | None] = {drift.word: drift.meant for drift in found}
    found = [LabelVariant(one.word, meant.get(one.meant or "", one.meant), one.kind) for one in found]
    drifted = set(meant)
    return found + [
        LabelVariant(word, None, "stranger") for word in _strangers([one for one in order if one not in drifted], counts, limits)
    ]


def bare(word: str) -> str:
    """Returns a label without what people put around one: case, spaces, punctuation, quotes, "Answer:"; its parts joined by spaces."""
    key = normalise(word)
    stripped = _JOINTS.sub(" ", _AROUND.sub("", key)).strip()
    return _LEAD.sub("", stripped) or key


def _resembling(word: str, own: Sequence[str], counts: Mapping[str, int], keys: Mapping[str, str], limits: Limits) -> LabelVariant | None:
    key = keys[word]
    for other in own:
        if other != word and keys[other] == key and counts[other] >= _SPELLING_RATIO * counts[word]:
            return LabelVariant(word, other, "spelling")
    frequent = [other for other in own if other != word and counts[other] >= limits.ratio * counts[word]]
    if not frequent or not key or counts[word] != max(counts[one] for one in own if keys[one] == key):
        return None
    begins = [other for other in frequent if keys[other].startswith(key)]
    if len(begins) == 1 and (len(key) >= 3 or (len(own) <= _LARGEST_SET and key.isalpha())):
        return LabelVariant(word, begins[0], "abbreviation")
    for other in frequent:
        known = keys[other]
        close = len(key) >= 5 and key[:2] == known[:2] and not _numbered(key, known)
        if close and SequenceMatcher(None, key, known).ratio() > limits.similarity:
            return LabelVariant(word, other, "typing")
    meant = [other for other in frequent if are_synonyms(key, keys[other])]
    return LabelVariant(word, meant[0], "synonym") if len(meant) == 1 else None


def _strangers(words: Sequence[str], counts: Mapping[str, int], limits: Limits) -> list[str]:
    """Returns the rare words of a set whose other words are all frequent: a long tail of classes has some of every size."""
    total = sum(counts[word] for word in words)
    limit = max(1.0, limits.stranger_share * total)
    classes = [word for word in words if counts[word] > limit]
    if not 2 <= len(classes) <= _LARGEST_SET:
        return []
    smallest = min(counts[word] for word in classes)
    if smallest < max(_LARGE_CLASS, limits.class_share * total):
        return []
    forms = {_form(word) for word in classes}
    return [word for word in words if counts[word] <= limit and counts[word] * limits.ratio <= smallest and _form(word) not in forms]


def _form(word: str) -> str:
    return _DIGITS.sub("0", bare(word))


def _numbered(one: str, other: str) -> bool:
    """Says whether two words differ in a digit, as `class 1` and `class 2` do: those are two classes."""
    return [character for character in one if character.isdigit()] != [character for character in other if character.isdigit()]
