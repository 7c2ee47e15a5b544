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
    "CON": Group("consistency", "Do equal inputs have equal answers, in one format?"),
    "DUP": Group("duplicates", "Are there duplicates?"),
    "LEK": Group("leakage", "Are evaluation rows unseen in training?"),
    "PII": Group("privacy", "Is the text free of personal data and secrets?"),
    "LEN": Group("length", "Does every row fit the model, with an answer to train on?"),
    "DIV": Group("diversity", "Does the data cover what it should?"),
    "LBL": Group("labels", "Are the labels right?"),
    "TPL": Group("templates", "Is every prompt rendered correctly?"),
    "GRM": Group("language", "Are the answers complete and faithful to their input?"),
}

_OWN = Group("own rules", "Do the rules of your own find nothing?")


def groups_of(codes: Iterable[str]) -> dict[str, Group]:
    """Returns the groups by their letters; rules of plug-ins whose letters are none of these form groups of their own."""
    return GROUPS | {letters: _OWN for letters in sorted(map(group_of, codes)) if letters not in GROUPS}


def group_of(code: str) -> str:
    """Returns the letters that a code begins with."""
    return code[:3]
