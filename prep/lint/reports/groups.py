"""The groups of rules, by the letters that their codes begin with."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """A group of rules.

    Attributes:
        name: in a word or two.
        question: what a row without a finding of it answers with yes.
    """

    name: str
    question: str


GROUPS = {
    "FMT": Group("format", "Is every row readable and well formed?"),
    "BAL": Group("balance", "Are labels, sources and positions balanced?"),
    "CON": Group("consistency", "Do equal inputs get equal answers, in one form?"),
    "DUP": Group("duplicates", "Is every row there once?"),
    "LEK": Group("leakage", "Is what is evaluated on unseen in training?"),
    "PII": Group("privacy", "Is the text free of personal data and secrets?"),
    "LEN": Group("length", "Does every row fit, with an answer left to learn?"),
    "DIV": Group("diversity", "Does the data cover what it should?"),
    "LBL": Group("labels", "Are the labels right?"),
    "TPL": Group("templates", "Is every prompt rendered as meant?"),
    "GRM": Group("language", "Are the answers whole and true to their input?"),
}

_OWN = Group("own rules", "Do the rules of your own find nothing?")


def groups_of(codes: Iterable[str]) -> dict[str, Group]:
    """Returns the groups by their letters; rules of plug-ins whose letters are none of these form groups of their own."""
    return GROUPS | {letters: _OWN for letters in sorted(map(group_of, codes)) if letters not in GROUPS}


def group_of(code: str) -> str:
    """Returns the letters that a code begins with."""
    return code[:3]
