"""The example behind a finding, and the fix that a rule drafts for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Subject:
    """The example that a draft is about.

    Attributes:
        row: its row of the lint frame.
        fields: the mapped fields of its raw row.
        answer_field: the mapped field that holds the answer, where one does.
        related: the lint-frame rows of the finding's related examples.
    """

    row: Mapping[str, Any]
    fields: Mapping[str, Any]
    answer_field: str | None
    related: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A fix that a rule proposes for one raw row; it takes effect only when accepted into the fix ledger.

    Attributes:
        op: drop the row, or edit fields of it.
        fields: new values by mapped field; None as a value is for a person to fill in.
        reason: why, in a clause.
        safe: it may be accepted without a look.
        row_id: the raw row to change, where it is not the finding's own.
        id: likewise its example.
    """

    op: str
    reason: str
    fields: dict[str, Any] | None = None
    safe: bool = False
    row_id: str | None = None
    id: str | None = None
