"""What a rule reports: a finding, and how severe it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar


class Severity(StrEnum):
    """How sure it is that a finding is a defect that spoils training or evaluation."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return {"error": 2, "warning": 1, "info": 0}[self.value]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule reports; the engine adds the rule's code, name, severity and remedy.

    Attributes:
        message: what is wrong, from a small letter on and without a final stop. What it quotes is cut by `texts.shorten`, never by hand:
            an identifier that was cut in two is masked no more.
        id: the example, or None where it is none's in particular.
        row_id: the raw row behind the example.
        source: its file.
        line: its 1-based line.
        field: where in the example: `input`, `answer`, `messages[1].content`, ...
        span: `[start, end)` in that field's text, in characters.
        kind: what kind of thing was found, where the rule has kinds.
        score: how sure a ranked rule is, in [0, 1].
        severity: where it differs from the rule's.
        related: ids of the other examples concerned.
        remedy: where it differs from the rule's.
    """

    where: ClassVar = ("id", "row_id", "source", "line")

    message: str
    id: str | None = None
    row_id: str | None = None
    source: str | None = None
    line: int | None = None
    field: str | None = None
    span: tuple[int, int] | None = None
    kind: str | None = None
    score: float | None = None
    severity: Severity | None = None
    related: tuple[str, ...] = ()
    remedy: str | None = None

    @classmethod
    def at(cls, row: Mapping[str, Any], message: str, **more: Any) -> "Finding":
        """Returns a finding about a row of the lint frame."""
        return cls(message, **{name: row[name] for name in cls.where}, **more)
