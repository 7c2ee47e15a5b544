"""Which facts of an answer are asked for."""

from prep.text.facts import Fact, extract_facts


def wanted_facts(text: str) -> list[Fact]:
    """Returns the facts of a text that a restatement must keep, each value once.

    A number that belongs to no other kind is asked for where it is written in digits: "one of them" is no fact.
    """
    wanted: dict[tuple[str, str], Fact] = {}
    for fact in extract_facts(text):
        if fact.kind != "number" or any(character.isdigit() for character in text[fact.start : fact.end]):
            wanted.setdefault((fact.kind, fact.value), fact)
    return list(wanted.values())
