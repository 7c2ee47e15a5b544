"""What the rules about identifiers share: they scan texts, and propose invented values in place of what they find."""

from typing import ClassVar

from prep.lint.rule import Draft, Finding, Rule, Subject
from prep.lint.texts import TEXT_COLUMNS
from prep.surrogates import replace_fields

MAX_A_TEXT = 100
"""How many identifiers are listed of one text."""


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
        return Draft("edit", f"{self.replaced} replaced by invented ones", fields) if fields else None
