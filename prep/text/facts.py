"""Typed facts of a text: the codes, customers, amounts, dates, times and doses that a restatement must not lose or invent.

A fact's `value` is normalised, so that "$1,200.00" equals "$1200" and "5 March 2024" equals "2024-03-05". Where a spelling is open
to several readings ("03/05/2024", "10:30" without am or pm) the value holds them all, joined by "|"; `same_fact` compares.
"""

import re
from collections.abc import Container, Iterable, Sequence

from prep.text.fact import FACT_KINDS, Fact
from prep.text.fact_readers import READERS

__all__ = ["Fact", "FactIndex", "extract_facts", "missing_facts", "same_fact", "stands_in"]

_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Za-z]+")
_DIGIT = re.compile(r"\d")
_WORD_BEFORE = re.compile(r"\w$|\w[-.,:/]$")
_WORD_AFTER = re.compile(r"\w|[-.,:/%]\w|%")


def extract_facts(text: str, kinds: Container[str] = FACT_KINDS) -> list[Fact]:
    """Returns the facts of a text in order of appearance; no two overlap.

    Numbers that belong to no other kind come as "number", spelled-out ones included ("twenty-four" is 24): they serve to support
    other facts, and are too common ("one of them") to be asked for themselves.

    Args:
        text: the text.
        kinds: look for these alone. That is faster and finds no fewer of them, but may take for one of them what belongs to a kind that
            was not looked for ("USD1200" for a code).
    """
    facts: list[Fact] = []
    taken = bytearray(len(text))
    has_digit = _DIGIT.search(text) is not None
    for kind, pattern, needs_digit, read in READERS:
        if kind not in kinds or (needs_digit and not has_digit):
            continue
        for match in pattern.finditer(text):
            for fact in read(match):
                if fact.start < fact.end and not any(taken[fact.start : fact.end]):
                    taken[fact.start : fact.end] = b"\x01" * (fact.end - fact.start)
                    facts.append(fact)
    return sorted(facts, key=lambda fact: fact.start)


def stands_in(text: str, source: str) -> bool:
    """Says whether a fact's text stands in another text letter for letter, as a whole: "$12" does not stand in "$12.50"."""
    position = source.find(text)
    while position >= 0:
        before, after = source[max(position - 2, 0) : position], source[position + len(text) : position + len(text) + 2]
        if not _WORD_BEFORE.search(before) and not _WORD_AFTER.match(after):
            return True
        position = source.find(text, position + 1)
    return False


def same_fact(a: Fact, b: Fact) -> bool:
    """Says whether two facts of one kind agree in one of their readings; a date without a year agrees with that day of any year."""
    if a.kind != b.kind:
        return False
    if a.value == b.value:
        return True
    readings = [(x, y) for x in a.value.split("|") for y in b.value.split("|")]
    return any(x == y or (a.kind == "date" and _same_date(x, y)) for x, y in readings)


class FactIndex:
    """A text whose facts others are looked up in.

    Args:
        text: the text.
    """

    def __init__(self, text: str) -> None:
        self.facts = extract_facts(text)
        self._amounts = {amount for fact in self.facts for amount in _amounts(fact)}
        self._letters_and_digits = _NOT_ALPHANUMERIC.sub("", text).upper()

    def holds(self, fact: Fact) -> bool:
        """Says whether the text holds a fact, in any spelling. Lenient: "1200" supports "$1,200", as the unit may stand elsewhere."""
        if any(same_fact(fact, other) for other in self.facts):
            return True
        if fact.kind == "code":
            return fact.value in self._letters_and_digits
        if fact.kind in {"date", "time"}:
            return False
        return bool(_amounts(fact) & self._amounts)


def missing_facts(facts: Iterable[Fact], text: str, kinds: Sequence[str]) -> list[Fact]:
    """Returns the facts of those kinds that a text does not hold, each value once."""
    index = FactIndex(text)
    missing: dict[tuple[str, str], Fact] = {}
    for fact in facts:
        if fact.kind in kinds and not index.holds(fact):
            missing.setdefault((fact.kind, fact.value), fact)
    return list(missing.values())


def _amounts(fact: Fact) -> set[str]:
    """The bare number in a fact, through which kinds support each other."""
    if fact.kind in {"code", "date", "time"}:
        return set()
    return {reading.partition(" ")[0] for reading in fact.value.split("|")}


def _same_date(a: str, b: str) -> bool:
    """Compares year, month and day; "*" agrees with anything."""
    return all("*" in (x, y) or x == y for x, y in zip(a.split("-"), b.split("-"), strict=True))
