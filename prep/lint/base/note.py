"""What a lint run says of the data beside its findings: no defect, and yet what a person has to know to trust the report."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class NoteKind(StrEnum):
    """What a note is about."""

    READ = "read"
    UNREAD = "unread"
    STALE = "stale"
    CANARIES = "canaries"

    @property
    def heading(self) -> str:
        """How reports call it."""
        return {NoteKind.READ: "Read", NoteKind.UNREAD: "Not read", NoteKind.STALE: "No longer holds", NoteKind.CANARIES: "Left out"}[self]


@dataclass(frozen=True, slots=True)
class Note:
    """Something said once of the data as a whole.

    Attributes:
        kind: what it is about.
        message: what there is to know, with counts and an example where it has some.
        file: the file that it is about; None for all of the data.
        remedy: what to do where it is not as it should be; None where nothing is to be done.
    """

    kind: NoteKind
    message: str
    file: str | None = None
    remedy: str | None = None

    @property
    def text(self) -> str:
        """The note as one line."""
        joined = " as" if self.kind is NoteKind.READ else ""
        about = "" if self.file is None else f"{' of' if self.kind is NoteKind.STALE else ''} {self.file}{joined}"
        return f"{self.kind.heading}{about}: {self.message}." + (f" {self.remedy}" if self.remedy else "")

    def as_json(self) -> dict[str, Any]:
        """Returns it as the JSON contract has it."""
        return {"kind": self.kind.value, "message": self.message, "file": self.file, "remedy": self.remedy}
