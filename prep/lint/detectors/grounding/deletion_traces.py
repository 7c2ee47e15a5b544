"""Marks that a deleted number leaves in a text: two spaces, "than .", a currency sign without its amount."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prep.text.numerals import Numeral, NumeralIndex, numerals, spelled_numerals

_WORD = re.compile(r"[^\W\d_]+")
_REACH = 60
_BESIDE = 2  # words beside the mark are looked for
_AROUND = 3  # among so many on each side of the number
_GAP = "gap"
_UNIT = (
    "seconds|minutes|hours|days|weeks|months|years|times|percent|ounces|pounds|feet|inches|miles|packs|cigarettes|beers|drinks|cups|tablets"
)
_SENTENCE = "The|He|She|They|This|His|Her|It|There|We"
_MARKS = {
    "two spaces": re.compile(r"[^\W_](?P<gap> {2,})(?=[^\W_])"),
    "space before a stop": re.compile(r"\w(?P<gap> )[.,;](?=\s|$)"),
    "currency sign alone": re.compile(r"(?<![\d$])(?<!\d )[$\u20ac\u00a3](?P<gap>)(?!\s?[\d$])"),
    "percent sign alone": re.compile(r"[a-z](?P<gap> )%"),
    "number sign alone": re.compile(r" #(?P<gap>)(?!\w)"),
    "hyphen or ending alone": re.compile(
        r"(?<!\d) (?P<gap>)(?:-(?:year|month|week|day|hour|pack|mile|pound)|(?:s|st|nd|rd|th|pm)\b(?![.'\u2019]?\w))"
    ),
    "two sentences run together": re.compile(rf"[a-z](?P<gap> +)(?:{_SENTENCE})\b(?! [A-Z])"),
    "preposition at the end": re.compile(rf"\b(?:of|at|in|is|was|to|by|since)(?P<gap> +)(?:{_SENTENCE}|No|In|On)\b(?! [A-Z])"),
    "article alone": re.compile(r"\ban?(?P<gap> +)(?:of|for|and|or|with|in|on|who|by|is|was|has|had|from|to|that|which)\b"),
    "preposition alone": re.compile(r"\b(?:at|of|with)(?P<gap> +)(?:and|or|but)\b"),
    "left open": re.compile(
        r"\b(?:than|within|between|until|till|since|every|approximately|approx|roughly|exactly|age of)(?P<gap>)"
        r"(?: +(?:and|or|but|of|off|to|from|in|on|at|with|then|so)\b|\s*[.,;!?])"
    ),
    "unit alone": re.compile(
        r"[A-Za-z,](?P<gap> +)(?:mg|ml|mcg|kg|lbs|gb|mb|hrs|hr|mins|secs)\b"
        rf"|\b(?:up to|at least|at most|approximately|nearly|almost|roughly)(?: +)(?:{_UNIT})\b|[.!?] +(?:{_UNIT})\b"
    ),
}
# People make these without deleting anything.
_SLIPS = frozenset({"space before a stop", "two sentences run together"})
# What a mark is worth by itself, with a word of the lost number's surroundings, and with one on each side, depends on how many of the
# task's answers have it, and on whether most of them leave out numbers anyway.
_RARE = 0.015
_FREQUENT = 0.12


@dataclass(slots=True)
class MarkProfile:
    """How often the answers of a task have each mark, and leave out numbers of their inputs.

    Attributes:
        num_answers: all of them.
        num_lossy: those that leave out a number.
        num_with: mark -> those that have it.
    """

    num_answers: int = 0
    num_lossy: int = 0
    num_with: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "MarkProfile":
        """Returns the profile of some inputs and answers."""
        profile = cls()
        for source, answer in pairs:
            profile.num_answers += 1
            profile.num_lossy += bool(lost_numerals(source, answer))
            profile.num_with.update(mark for mark, pattern in _MARKS.items() if pattern.search(answer))
        return profile

    def sides_to_agree(self, mark: str) -> int:
        """Returns on how many sides of a trace there must be a word from around the missing number."""
        if 2 * self.num_lossy > self.num_answers:
            return 2
        share = self.num_with[mark] / max(self.num_answers, 1)
        return max((share > _RARE) + (share > _FREQUENT), mark in _SLIPS)


def lost_numerals(source: str, answer: str) -> list[Numeral]:
    """Returns the numbers of a source, from 2 up where they are in words, that an answer lacks."""
    held = NumeralIndex(answer)
    return [one for one in (*numerals(source), *spelled_numerals(source, least=2)) if not held.holds(one)]


def find_marks(
    answer: str, source: str, lost: Iterable[Numeral], profile: MarkProfile, fold: Callable[[str], str | None]
) -> Iterator[tuple[int, Numeral]]:
    """Yields the place of each mark of a lost number, and the number.

    Args:
        answer: the answer.
        source: what it restates.
        lost: numbers of the source that the answer lacks.
        profile: of the task's answers.
        fold: brings a word to the form in which it is compared; None leaves it out.
    """
    around = [(numeral, *_beside(source, numeral.start, numeral.end, _AROUND, fold)) for numeral in lost]
    if not around:
        return
    for mark, pattern in _MARKS.items():
        sides = profile.sides_to_agree(mark)
        for match in pattern.finditer(answer):
            gap = match.span(_GAP) if match[_GAP] is not None else (match.start(), match.start())
            before, after = _beside(answer, *gap, _BESIDE, fold)
            for numeral, left, right in around:
                if bool(before & left) + bool(after & right) >= sides:
                    yield gap[1], numeral
                    break


def _beside(text: str, start: int, end: int, number: int, fold: Callable[[str], str | None]) -> tuple[set[str], set[str]]:
    """Returns the words just before and just after a span."""
    before = _WORD.findall(text[max(0, start - _REACH) : start].lower())[-number:]
    after = _WORD.findall(text[end : end + _REACH].lower())[:number]
    left, right = ({folded for word in words if (folded := fold(word))} for words in (before, after))
    return left, right
