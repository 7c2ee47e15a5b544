"""Proper names in answers: which words are names, and whether a task's answers take them from their inputs.

A name is a word with a capital in the middle of a sentence that the task's texts never write small. Where all nouns have a capital, as in
German, or where answers bring names of their own, too many would be lacking, and none is checked.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from difflib import SequenceMatcher

_NAME = r"[A-Z][a-zA-Z]*[a-z][a-zA-Z]*"
# After a small letter, a comma or a bracket, and the names before it in the same run: not at the beginning of a sentence.
_RUN = re.compile(rf"(?<=[a-z0-9,;(] )(?:{_NAME})(?:[ -]{_NAME})*")
_WORD = re.compile(rf"\b{_NAME}")
_SMALL = re.compile(r"\b[a-z]{3,}\b")
_LETTERS = re.compile(r"[a-z]+")
_NOT_LETTERS = re.compile(r"[^a-z]+")
_PARTS = re.compile(r"[A-Z][a-z]*")
_SHORTEST = 3
_SPELLED_ALIKE = 0.8  # "Picadilly" is Piccadilly
_MAX_DOUBTFUL = 20  # names of one answer, each compared with every word of its input
_MAX_LENGTH = 40
_OWN_WORDS = 3  # answers that have a word which their inputs lack, as most do that have it: it is the task's, not a fact
_SHORT = frozenset("jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun".split())  # noqa: SIM905
_TITLES = frozenset({"mrs", "miss", "doctor", "professor"})

SIEVE = r"[a-z0-9,;(] [A-Z][a-zA-Z]{2,}"
"""Where a name may be, as a linear-time pattern."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name: its text and its span [start, end)."""

    text: str
    start: int
    end: int


class NameProfile:
    """How the answers of a task use names, learnt from pairs of input and answer.

    Attributes:
        num_answers: those that have a name.
        num_unsupported: those that have one which the input lacks.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        kept = list(pairs)
        small, capital = Counter[str](), Counter[str]()
        for source, _ in kept:  # who writes to a help desk writes "spotify" now and then
            small.update(_SMALL.findall(source))
            capital.update(word.lower() for word in _WORD.findall(source))
        self._common = {word for word, count in small.items() if count >= capital[word]}
        self._common.update(word for _, answer in kept for word in _SMALL.findall(answer))
        lacking = [(answer, self.unsupported(source, answer)) for source, answer in kept if _RUN.search(answer)]
        times = Counter(name for _, names in lacking for name in {one.text.lower() for one in names})
        often = {name: count for name, count in times.items() if count >= _OWN_WORDS}
        of_all = Counter(word for answer, _ in lacking for word in {one.lower() for one in _WORD.findall(answer)} & often.keys())
        self._common |= {name for name, count in often.items() if 2 * count > of_all[name]}
        self.num_answers = sum(any(self._names(answer)) for answer, _ in lacking)
        self.num_unsupported = sum(any(one.text.lower() not in self._common for one in names) for _, names in lacking)

    @property
    def supported(self) -> float:
        """The share of the answers with names that take all of them from their inputs."""
        return 1 - self.num_unsupported / self.num_answers if self.num_answers else 0.0

    def unsupported(self, source: str, answer: str) -> list[Name]:
        """Returns the names of an answer that its input lacks, in order."""
        names = list(self._names(answer))
        if not names:
            return []
        folded = source.lower()
        squeezed = _NOT_LETTERS.sub("", folded)
        names = [name for name in names if name.text.lower() not in squeezed]
        words = set(_LETTERS.findall(folded)) if names else set()
        return [name for name in names[:_MAX_DOUBTFUL] if not _told_otherwise(name.text, words)]

    def _names(self, answer: str) -> Iterator[Name]:
        for run in _RUN.finditer(answer):
            for word in _WORD.finditer(answer, run.start(), run.end()):
                text = word[0].lower()
                stem = text.removesuffix("s")
                if len(text) >= _SHORTEST and self._common.isdisjoint((text, stem)) and stem not in _TITLES:
                    yield Name(word[0], *word.span())


def _told_otherwise(name: str, words: Set[str]) -> bool:
    """Says whether a text has a name in another way: spelled alike, cut short ("Dec"), or in parts ("AmexCard")."""
    folded = name.lower()
    parts = [part.lower() for part in _PARTS.findall(name)]
    if len(parts) > 1 and any(len(part) >= _SHORTEST and part in words for part in parts):
        return True
    for word in words:
        if len(word) < _SHORTEST or word[0] != folded[0]:
            continue
        if word.startswith(folded) or (word in _SHORT and folded.startswith(word)):
            return True
        alike = SequenceMatcher(None, word[:_MAX_LENGTH], folded[:_MAX_LENGTH], autojunk=False)
        if alike.quick_ratio() >= _SPELLED_ALIKE and alike.ratio() >= _SPELLED_ALIKE:
            return True
    return False
