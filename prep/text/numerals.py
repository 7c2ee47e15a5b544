"""Numbers as they are written and spoken, told apart by their digits: "6:50" and "650", "1985" and "nineteen eighty-five".

Where facts (`prep.text.facts`) ask what a number means, this asks only whether it stands in another text in any spelling. Digits in a word
count too ("PS4", "4pm"), as a slip of one digit spoils those as well.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from prep.text.facts import extract_facts
from prep.text.number_words import CARDINALS, MONTH_NUMBERS, MULTIPLES, ORDINALS, SCALES, SPELLED, TENS

__all__ = ["Numeral", "NumeralIndex", "numerals", "spelled_numerals"]

_WRITTEN = re.compile(r"\d+(?:[.,:/'\u2019-]\d+)*")
_GROUP = re.compile(r"\d+")
_LIST_NUMBER = re.compile(r"(?:^|\n|[.;:]\s|  )\s*$")


# What is said in words, and its value; "half" and "quarter" by the figure under the line.
_VALUES = {
    **CARDINALS,
    **{f"{word.removesuffix('y')}ies": CARDINALS[word] for word in TENS},
    **{word: value for value, word in enumerate(ORDINALS, start=1)},
    **MONTH_NUMBERS,
    **MULTIPLES,
    **{"single": 1, "double": 2, "triple": 3, "ones": 1, "twos": 2, "thirtieth": 30, "o": 0, "oh": 0, "both": 2, "half": 2, "quarter": 4},
}
_SCALES = {**SCALES, "hundreds": 100}
_SPOKEN = re.compile(r"[a-z]+")
_MAX_SPOKEN = 8
# One of a thing is seldom called one, and lists begin with it.
_ARTICLES = re.compile(r"\b(?:an?|another|every|each|per|past|last)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number in digits.

    Attributes:
        digits: its digits alone, without what groups or separates them.
        groups: the digits between separators, each without leading zeros.
        start: where it begins in the text, in characters.
        end: where it ends, exclusive.
    """

    digits: str
    groups: tuple[str, ...]
    start: int
    end: int


def numerals(text: str) -> list[Numeral]:
    """Returns the numbers in digits of a text, in order; the numbers of a list ("1. ", "2) ") are left out."""
    found = []
    for match in _WRITTEN.finditer(text):
        after = text[match.end() : match.end() + 2]
        before = text[max(0, match.start() - 4) : match.start()]
        is_short = match.end() - match.start() <= 2 and after[:1] in {".", ")"} and after[1:] in {" ", "\n", "\t"}
        if is_short and (_LIST_NUMBER.search(before) or not text[: match.start()].strip()):
            continue
        groups = tuple(_plain(group) for group in _GROUP.findall(match[0]))
        found.append(Numeral("".join(_GROUP.findall(match[0])), groups, *match.span()))
    return found


_SPELLED = re.compile(SPELLED)


def spelled_numerals(text: str, *, least: int = 10) -> list[Numeral]:
    """Returns the numbers from `least` up that a text spells out in English, as one number each: "seventy six" is 76."""
    if not _SPELLED.search(text):
        return []
    return [
        Numeral(fact.value, (fact.value,), fact.start, fact.end)
        for fact in extract_facts(text, ("number",))
        if not text[fact.start].isdigit() and fact.value.isdigit() and int(fact.value) >= least
    ]


class NumeralIndex:
    """A text whose numbers others are looked up in.

    Args:
        text: the text.
    """

    def __init__(self, text: str) -> None:
        found = [*numerals(text), *_listed(text)]
        self.runs = {numeral.digits for numeral in found}
        self.singles = {group for numeral in found for group in numeral.groups} | {_plain(run) for run in self.runs}
        self._spoken: set[str] | None = None
        self._text = text

    @property
    def spoken(self) -> set[str]:
        """The digits of what the text says in words."""
        if self._spoken is None:
            self._spoken = set(_spoken(self._text))
        return self._spoken

    def holds(self, numeral: Numeral) -> bool:
        """Says whether the text has a number, in digits or words, grouped in any way; of long ones a part is enough."""
        digits = numeral.digits
        if digits in self.runs or _plain(digits) in self.singles or all(group in self.singles for group in numeral.groups):
            return True
        if len(digits) >= 3 and any(digits in run for run in self.runs):
            return True
        if _plain(digits) in self.spoken or digits in self.spoken or all(self._has(group) for group in _without_zeros(numeral.groups)):
            return True
        if digits in {"05", "15"} and "2" in self.spoken:  # a half, one and a half
            return True
        return not digits.strip("0")

    def _has(self, group: str) -> bool:
        if group in self.singles or group in self.spoken:
            return True
        if len(group) == 4 and group[:2] in {"19", "20"}:  # "08" or "O eight" for 2008
            return _plain(group[2:]) in self.singles or _plain(group[2:]) in self.spoken
        return group == "1" and _ARTICLES.search(self._text) is not None


def _without_zeros(groups: tuple[str, ...]) -> list[str]:
    """Leaves out what says nothing: "7.0" is seven, "10:00" ten o'clock."""
    return [group for place, group in enumerate(groups) if place == 0 or len(group) > 2 or group.strip("0")]


def _listed(text: str) -> Iterator[Numeral]:
    """The numbers that `numerals` leaves out: as a source they count."""
    for match in re.finditer(r"(?<!\d)\d{1,2}(?=[.)]\s)", text):
        yield Numeral(match[0], (_plain(match[0]),), *match.span())


def _plain(digits: str) -> str:
    return digits.lstrip("0") or "0"


def _spoken(text: str) -> Iterator[str]:
    """Yields the digits of numbers in words, each reading: "nineteen eighty five" is 19, 85, 1985 and 104."""
    run: list[str] = []
    for match in _SPOKEN.finditer(text.casefold()):
        word = match[0]
        if word in _VALUES or word in _SCALES:
            run.append(word)
        elif word == "and" and run:
            continue
        elif run:
            yield from _readings(run[:_MAX_SPOKEN])
            run = []
    if run:
        yield from _readings(run[:_MAX_SPOKEN])


def _readings(words: list[str]) -> Iterator[str]:
    chunks = list(_chunks(words))
    for begin in range(len(chunks)):
        for end in range(begin + 1, len(chunks) + 1):
            yield _plain("".join(str(value) for value in chunks[begin:end]))
    for word in words:
        yield str(_VALUES.get(word, _SCALES.get(word, 0)))
    for (first, second), (_, third) in zip(pairwise(words), pairwise(words[1:]), strict=False):
        if first in _VALUES and second in _SCALES and third in _VALUES:
            yield str(_VALUES[first] * _SCALES[second] + _VALUES[third])


def _chunks(words: list[str]) -> Iterator[int]:
    """Yields the numbers that are said one after the other: "one twenty five over eighty" has 1, 25 and 80, "two hundred five" 205."""
    current: int | None = None
    for word in words:
        if word in _SCALES:
            current = (current or 1) * _SCALES[word]
            continue
        value = _VALUES[word]
        joins = current is not None and value and (_ends_on(current, 100) or (_ends_on(current, 10) and current % 100 >= 20 and value < 10))
        if current is not None and joins:
            current += value
            continue
        if current is not None:
            yield current
        current = value
    if current is not None:
        yield current


def _ends_on(number: int, power: int) -> bool:
    return number >= power and number % power == 0
