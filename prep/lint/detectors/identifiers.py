"""What the rules about identifiers share: they scan texts, and propose invented values in place of what they find."""

from collections.abc import Callable
from typing import ClassVar, TypeVar

from prep.lint.base.finding import Finding
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.base.texts import TEXT_COLUMNS
from prep.pii import PiiSpan, SecretSpan
from prep.pii.surrogates import replace_fields

MAX_A_TEXT = 100
"""How many identifiers are listed of one text."""
_FIRST_CHARACTERS = 100_000
_MAX_IDENTIFIER = 5_000  # no pattern of an identifier, with the words around it, takes so much

Span = TypeVar("Span", PiiSpan, SecretSpan)


def find_first(find: Callable[[str], list[Span]], text: str) -> list[Span]:
    """Returns the first `MAX_A_TEXT` identifiers of a text, in order; one that is full of them is not read to its end."""
    if len(text) > _FIRST_CHARACTERS:
        # What ends well before the cut is found all the same with the rest of the text behind it.
        found = [span for span in find(text[:_FIRST_CHARACTERS]) if span.end < _FIRST_CHARACTERS - _MAX_IDENTIFIER]
        if len(found) >= MAX_A_TEXT:
            return found[:MAX_A_TEXT]
    return find(text)[:MAX_A_TEXT]


class IdentifierRule(Rule):
    """A rule about identifiers in texts, whose fix is invented values."""

    columns = TEXT_COLUMNS
    replaced: ClassVar[str] = "identifiers"
    """What a fix replaces, as its reason says it."""
    with_names: ClassVar[bool] = False
    with_medical: ClassVar[bool] = False

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:  # noqa: ARG002
        """Returns the row with surrogates, the same for the same value throughout the dataset."""
        fields = replace_fields(subject.fields, seed=subject.row["seed"], names=self.with_names, medical=self.with_medical)
        return Draft("edit", f"{self.replaced} replaced with invented ones", fields) if fields else None
