"""Places in a text where a number is missing: its left and right neighbours in the source are adjacent here.

"Press it for 15 seconds" became "press it for seconds", "exactly 21 days, and" became "exactly and", "for 10 minutes." became "for.".
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from prep.lint.detectors.grounding.deletion_traces import MarkProfile, find_marks, lost_numerals
from prep.text.number_words import CARDINALS, ORDINALS

__all__ = ["Gap", "GapProfile", "find_gaps"]

_TOKEN = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?|[$\u20ac\u00a3]?\d[\w.,:/%-]*|[.!?;,:()\n]")
_STOPS = frozenset(".!?;\n")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UNITS = _words(
    """seconds secs sec minutes mins min hours hrs hr days weeks wks months mths years yrs times percent dollars pounds euros bucks cents
    quid miles km kms metres meters feet inches gb mb tb mbps kb kg lbs mg ml mcg pm am points stars digits packs pack"""
)
_NUMBER_WORDS = frozenset({*CARDINALS, *ORDINALS[:3], "hundred", "thousand", "half", "couple"} - {"zero"})
# Before a unit these say how many, or that it is no matter of number: "few days", "business hours", "these times".
_QUANTITIES = _NUMBER_WORDS | _words(
    """few several many some any no more most all both other this future total so these those the his her their our your my its a an every
    each business working office opening rush peak off long number same next last past previous recent coming certain different multiple
    various extra additional of waiting travel holiday week sometimes at loyalty bonus reward frequent in which what how and or air as"""
)
_IDIOMS = {
    (left, right) for left in ("for", "after", "took", "take", "takes", "in") for right in ("hours", "days", "weeks", "months", "years")
}
_FUNCTION = _STOPS | _words(
    """a an the of to in on at for from with and or but is are was were be been it he she they we you i his her their my your that this as
    by not no if so then than have has had will would can could do does did , : ( )"""
)
_ARTICLES = _words("a an the this that these those my your his her their our its")
# No sentence has one of these before one of those.
_DANGLING = _words("within for after about of from to than between until till at by around since every")
_AFTER_DANGLING = _words("and or but then so . ! ? ; ,") | {"\n"}
_SINGULAR = {
    spelling: spellings.split()[0]
    for spellings in (
        "min mins minute minutes",
        "hr hrs hour hours",
        "sec secs second seconds",
        "day days",
        "week weeks wk wks",
        "month months mth mths",
        "yr yrs year years",
        "time times",
        "percent %",
        "mg milligram milligrams",
        "pack packs",
        "point points",
        "mile miles",
        "gb gig gigs",
        "dollar dollars bucks",
        "pound pounds quid",
    )
    for spelling in spellings.split()
}


@dataclass(frozen=True, slots=True)
class Gap:
    """Where a number is lacking.

    Attributes:
        position: in the text, in characters: before the word that follows the gap.
        number: how the source has it.
    """

    position: int
    number: str


@dataclass(slots=True)
class GapProfile:
    """What the answers of a task do with numbers.

    Attributes:
        seen: word -> its count.
        pairs: adjacent words without a number between -> their count.
        marks: how often answers have what a deletion leaves.
    """

    seen: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    marks: MarkProfile = field(default_factory=MarkProfile)

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, str]]) -> "GapProfile":
        """Returns the profile of some inputs and answers."""
        profile = cls(marks=MarkProfile.of(pairs))
        for _, answer in pairs:
            words = [word for word, _ in _tokens(answer)]
            for left, right in zip(words, [*words[1:], "\n"], strict=True):
                profile.seen[left] += 1
                profile.pairs[left, right] += 1
        return profile

    def never_meet(self, left: str, right: str) -> bool:
        """Says whether two words are never adjacent, though chance alone would bring them together."""
        return not self.pairs[left, right] and self.seen[left] * self.seen[right] >= 5 * self.seen.total()


def find_gaps(answer: str, source: str, profile: GapProfile) -> list[Gap]:
    """Returns the places of an answer where a number of its source is lacking.

    Args:
        answer: the answer.
        source: what it restates.
        profile: of the task's answers; a pair of words that several have is no gap.
    """
    lost = lost_numerals(source, answer)
    if not lost:
        return []
    context = _Context(source)
    tokens = [("\n", 0), *_tokens(answer), ("\n", len(answer))]
    gaps = []
    for index in range(1, len(tokens) - 1):
        (left, _), (right, position) = tokens[index], tokens[index + 1]
        if _is_number(left) or _is_number(right) or left in _STOPS or profile.pairs[left, right] > 2:
            continue
        number = context.missing_between(left, right)
        if number is None and left in _DANGLING and (left, right) not in context.bigrams and profile.never_meet(left, right):
            number = source[lost[0].start : lost[0].end]
        if number is not None:
            gaps.append(Gap(position, number))
    gaps += [Gap(position, source[one.start : one.end]) for position, one in find_marks(answer, source, lost, profile.marks, _folded)]
    return sorted(gaps, key=lambda gap: gap.position)


def _folded(word: str) -> str | None:
    return None if word in _FUNCTION else _SINGULAR.get(word, word)


class _Context:
    """The numbers of a source by the words around them."""

    def __init__(self, source: str) -> None:
        tokens = _tokens(source)
        words = ["\n", "\n", *(word for word, _ in tokens), "\n", "\n", "\n"]
        self.bigrams = set(pairwise(words))
        self.around: dict[tuple[str, str], str] = {}
        self.after: dict[str, str] = {}
        self.units: dict[str, str] = {}
        for index in range(2, len(words) - 3):
            word = words[index]
            if not (_is_number(word) or word in _NUMBER_WORDS):
                continue
            before, next_, second = words[index - 1], words[index + 1], words[index + 2]
            glued = re.fullmatch(r"[$\u20ac\u00a3]?\d[\d.,:/-]*([a-z]+)", word)
            unit = glued[1] if glued else next_
            self.units.setdefault(_SINGULAR.get(unit, unit), word)
            if _is_number(word):
                self.after.setdefault(before, word)
            self.around.setdefault((before, next_), word)
            if not glued and next_ in _UNITS:
                self.around.setdefault((before, second), f"{word} {next_}")

    def missing_between(self, left: str, right: str) -> str | None:
        """Returns the number that the source has between two words which never meet there, where that is telling."""
        if (left, right) in self.bigrams:
            return None
        unit = self.units.get(_SINGULAR.get(right, right))
        if unit and right in _UNITS and left not in _QUANTITIES and left not in _STOPS and (left, right) not in _IDIOMS:
            return unit
        if left in _DANGLING and right in _AFTER_DANGLING:
            return self.after.get(left)
        number = self.around.get((left, right))
        whole = number is not None and " " in number  # a number and its unit
        telling = right not in _FUNCTION and left not in _ARTICLES
        return number if telling or (whole and left not in _FUNCTION) else None


def _tokens(text: str) -> list[tuple[str, int]]:
    return [(match[0].lower().rstrip(".,:/-") or match[0], match.start()) for match in _TOKEN.finditer(text)]


def _is_number(word: str) -> bool:
    return not word.isalpha() and any(character.isdigit() for character in word)
