"""Numbers of an answer that its input does not have, and which shapes of number a task's answers take from their inputs."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from prep.lint.detectors.grounding.number_fidelity import sound_pairs
from prep.pii import find_pii
from prep.text.numerals import Numeral, NumeralIndex, numerals, spelled_numerals

_COMPUTES = re.compile(r"(?i)\b(?:total|sum|together|altogether|combined|remaining|left over|difference|overall|in all|average|net)\b|=")
_MAX_TERMS = 12
_DIGITS = re.compile(r"\d+")
_SUFFIX = re.compile(r"-?[a-z%'\u2019]?")
_LOOSE = frozenset({"couple", "pair", "dozen", "both", "half"})  # said without a count in mind
_RARE = "any"
_WORD = "word"
# Numbers in words are said more loosely, and abbreviations say them ("TID" is three times a day): they never go by other numbers, and a
# finding is information unless nearly all of them come from the source.
_FEW = 5
_MOST = 0.7
_NEARLY_ALL = 0.97


@dataclass(frozen=True, slots=True)
class NumberSupport:
    """What a task's answers take from their inputs, by shapes of number.

    Attributes:
        known: shapes that many answers have; the others go by all numbers together.
        usual: shapes whose numbers mostly come from the source.
        sure: those of which a number that does not is a defect, and not only doubtful.
    """

    known: frozenset[str] = frozenset()
    usual: frozenset[str] = frozenset()
    sure: frozenset[str] = frozenset()

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]], *, min_rows: int, min_share: float) -> "NumberSupport":
        """Returns the profile of some sources (input and instructions) and answers.

        Args:
            pairs: each source with its answer.
            min_rows: answers that a shape of its own takes.
            min_share: so many of those that have the shape must take all of it from the source.
        """
        present: Counter[str] = Counter()
        broken: Counter[str] = Counter()
        for source, answer in sound_pairs(pairs):
            found = {shape_of(answer, numeral) for numeral in _all_numerals(answer)}
            lacking = {shape_of(answer, numeral) for numeral in _not_pii(answer, unsupported_numerals(source, answer))} if found else set()
            present.update(found | ({_RARE} if found - {_WORD} else set()))
            broken.update(lacking | ({_RARE} if lacking - {_WORD} else set()))
        shares = {shape: 1 - broken[shape] / count for shape, count in present.items()}
        known = {_WORD} | {shape for shape, count in present.items() if count >= min_rows}
        usual = {shape for shape in known - {_WORD} if shares[shape] >= min_share}
        sure = set(usual)
        # Answers that work out their numbers work out those in words, too.
        computes = present[_RARE] >= min_rows and shares[_RARE] < min_share
        if present[_WORD] >= _FEW and shares[_WORD] >= _MOST and not computes:
            usual.add(_WORD)
            sure |= {_WORD} if shares[_WORD] >= _NEARLY_ALL else set()
        return cls(frozenset(known), frozenset(usual), frozenset(sure))

    def unsupported(self, source: str, answer: str) -> list[Numeral]:
        """Returns the numbers of an answer that its source lacks, of the shapes that answers take from there."""
        return [one for one in unsupported_numerals(source, answer) if self._by(answer, one) in self.usual] if self.usual else []

    def is_sure(self, answer: str, numeral: Numeral) -> bool:
        """Says whether an unsupported number is a defect, and not only doubtful."""
        return self._by(answer, numeral) in self.sure

    def _by(self, answer: str, numeral: Numeral) -> str:
        shape = shape_of(answer, numeral)
        return shape if shape in self.known else _RARE


def shape_of(text: str, numeral: Numeral) -> str:
    """Returns how a number is written: "9/9/9" for a date, "9-y" for an age, "9", "word"."""
    if not text[numeral.start].isdigit():
        return _WORD
    suffix = _SUFFIX.match(text, numeral.end)
    return _DIGITS.sub("9", text[numeral.start : numeral.end]) + (suffix[0] if suffix else "")


def unsupported_numerals(source: str, answer: str) -> list[Numeral]:
    """Returns the numbers of an answer that its source lacks; sums that say so are left out."""
    index = NumeralIndex(source)
    found = [numeral for numeral in _all_numerals(answer) if not index.holds(numeral) and not _is_symbol(answer, numeral)]
    return [numeral for numeral in found if not (_COMPUTES.search(answer) and _follows(numeral, index))]


def _all_numerals(text: str) -> list[Numeral]:
    spelled = [one for one in spelled_numerals(text, least=2) if text[one.start : one.end].lower() not in _LOOSE]
    return sorted([*numerals(text), *spelled], key=lambda numeral: numeral.start)


def _not_pii(answer: str, found: list[Numeral]) -> list[Numeral]:
    """Leaves out what is part of an identifier: a phone number that slipped into an answer says nothing about its task's numbers."""
    spans = find_pii(answer) if found else []
    return [one for one in found if not any(span.start <= one.start < span.end for span in spans)]


def _is_symbol(text: str, numeral: Numeral) -> bool:
    """Says whether a number belongs to one capital: O2, B12, G3."""
    before = text[max(0, numeral.start - 2) : numeral.start]
    return before[-1:].isupper() and not before[:-1].isalnum() and len(numeral.digits) <= 2


def _follows(numeral: Numeral, index: NumeralIndex) -> bool:
    """Says whether a number is the sum or difference of two that the source has, or the sum of all."""
    values = sorted({int(group) for group in index.singles if len(group) <= 9})[:_MAX_TERMS]
    wanted = int(numeral.digits[:18])
    return wanted == sum(values) or any(wanted in {a + b, b - a, a * b} for a, b in combinations(values, 2))
