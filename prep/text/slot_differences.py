"""In which words two near texts differ, and whether those could decide about their answers."""

from collections import Counter
from collections.abc import Mapping
from difflib import SequenceMatcher

from prep.text.words import words

# What is said or left out without a change of meaning. "Not", "no", "never", "too" and their like are no such words.
_FILLERS = frozenset(
    word
    for line in (
        "a an the please pls kindly thanks thank you hi hello hey dear oh ok okay so just really actually basically also and then that",
        "have has had is are was were be been am im ive i it its my me to of for in on at",
    )
    for word in line.split()
)
_MIN_SLIP = 4
_FEW = 10
_SLIP_RATIO = 0.8  # "horible" is 0.93 of "horrible"; "reverted" 0.75 of "rejected"


def difference(one: str, other: str) -> tuple[list[str], list[str]]:
    """Returns the words that only the first text has, and those that only the second has."""
    first, second = Counter(words(one)), Counter(words(other))
    return list((first - second).elements()), list((second - first).elements())


def is_harmless(here: list[str], there: list[str]) -> bool:
    """Whether a difference cannot well change what the text means: fillers, and slips of the pen in a word.

    A number, a negation or any other word may: "the service was not good".
    """
    first = [word for word in here if word not in _FILLERS]
    second = [word for word in there if word not in _FILLERS]
    if len(first) != len(second):
        return False
    return all(_is_slip(one, other) for one, other in zip(sorted(first), sorted(second), strict=True))


def is_exchange(here: list[str], there: list[str]) -> bool:
    """Whether a word stands for another, as in questions that are made from a pattern."""
    return bool(here and there) and not is_harmless(here, there)


def patterned(exchanged: Mapping[tuple[str, int], int], share: float) -> frozenset[str]:
    """Returns the tasks of which more than a share, and more than ten rows, are others but for a word that stands for another.

    Args:
        exchanged: task and number of its rows -> those rows.
        share: the share that is taken for an accident, in [0, 1].
    """
    return frozenset(task for (task, num_rows), count in exchanged.items() if count > max(share * num_rows, _FEW))


def _is_slip(one: str, other: str) -> bool:
    if min(len(one), len(other)) < _MIN_SLIP or one[0] != other[0] or not (one + other).isalpha():
        return False
    if one.endswith("nt") != other.endswith("nt"):  # "could", "couldn't"
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= _SLIP_RATIO
