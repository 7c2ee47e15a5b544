"""Which numbers of its inputs a task's answers keep, by the words beside them: "order 58213", "seventy six years old"."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from prep.lint.detectors.grounding.missing_numbers import Gap, GapProfile, find_gaps
from prep.text.language_words import FUNCTION_WORDS
from prep.text.numerals import Numeral, NumeralIndex, numerals, spelled_numerals

_FINAL = frozenset(".!?)]\"'\u201d\u3002\uff01\uff1f")
_WORD = re.compile(r"[^\W\d_]{2,}")
_REACH = 40
_NUM_WORDS = 3
_LONG_DIGITS = 4
# Words beside numbers that tell nothing about them: function words, who speaks, and units of any count.
_UNTELLING = (
    frozenset().union(*FUNCTION_WORDS.values())
    | frozenset("doctor patient agent customer user assistant ok okay yeah hello hi hey sorry please link ago".split())  # noqa: SIM905
    | frozenset("year years month months week weeks day days hour hours minute minutes time times".split())  # noqa: SIM905
) - {"old", "order", "number"}

Feature = tuple[str, str, int]


@dataclass(slots=True)
class NumberProfile:
    """What the answers of one task do with the numbers of their inputs.

    Attributes:
        kept: features of numbers that nearly all answers keep.
        gaps: the words beside numbers in the answers.
    """

    kept: frozenset[Feature] = frozenset()
    gaps: GapProfile = field(default_factory=GapProfile)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]], *, min_rows: int, min_share: float) -> "NumberProfile":
        """Returns the profile of some inputs and answers.

        Args:
            pairs: each input with its answer.
            min_rows: a habit takes so many inputs that have such a number.
            min_share: and this share of their answers must keep it.
        """
        pairs = sound_pairs(pairs)
        present: Counter[Feature] = Counter()
        whole: Counter[Feature] = Counter()
        for source, answer in pairs:
            held = NumeralIndex(answer)
            by_feature: dict[Feature, bool] = defaultdict(lambda: True)
            for numeral, features in _featured(source):
                is_held = held.holds(numeral)
                for feature in features:
                    by_feature[feature] &= is_held
            present.update(by_feature.keys())
            whole.update(feature for feature, is_held in by_feature.items() if is_held)
        kept = frozenset(feature for feature, count in present.items() if count >= min_rows and whole[feature] >= min_share * count)
        return cls(kept, GapProfile.of(pairs))

    def lost(self, source: str, answer: str) -> list[Numeral]:
        """Returns the numbers of an input that an answer should have kept and has not."""
        if not self.kept:
            return []
        held = NumeralIndex(answer)
        return [numeral for numeral, features in _featured(source) if not self.kept.isdisjoint(features) and not held.holds(numeral)]

    def find_gaps(self, source: str, answer: str) -> list[Gap]:
        """Returns the places of an answer where a number of the input is lacking."""
        return find_gaps(answer, source, self.gaps)


def sound_pairs(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leaves out answers much shorter or longer than usual, and those that were cut, so that they do not blur what a task's answers do."""
    pairs = list(pairs)
    if not pairs:
        return pairs
    middle = median(len(answer) for _, answer in pairs)
    ended = [pair for pair in pairs if pair[1].rstrip()[-1:] in _FINAL]
    pairs = ended if len(ended) * 2 > len(pairs) else pairs
    return [pair for pair in pairs if 0.4 * middle <= len(pair[1]) <= 4 * middle]


def _featured(text: str) -> list[tuple[Numeral, set[Feature]]]:
    return [(numeral, _features(text, numeral)) for numeral in (*numerals(text), *spelled_numerals(text))]


def _features(text: str, numeral: Numeral) -> set[Feature]:
    """How many digits a number has, with each of the words just before and after it; a long one by itself too."""
    before = _WORD.findall(text[max(0, numeral.start - _REACH) : numeral.start].lower())[-_NUM_WORDS:]
    after = _WORD.findall(text[numeral.end : numeral.end + _REACH].lower())[:_NUM_WORDS]
    length = len(numeral.digits)
    features = {("after", word, length) for word in before if word not in _UNTELLING}
    features |= {("before", word, length) for word in after if word not in _UNTELLING}
    return features | {("alone", "", length)} if length >= _LONG_DIGITS else features
