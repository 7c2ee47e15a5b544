"""Defects: what was found wrong while a file was read, rather than in the rows that could be read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defect:
    """A line, or something about one, that is found wrong while it is read; rules report it under their code.

    Attributes:
        code: of the rule that reports it.
        source: the file's name.
        line: 1-based.
        message: what is wrong, without a final stop.
        id: of the example, where the line gives one.
        severity: where it is not the rule's own.
        field: where in the record.
    """

    code: str
    source: str
    line: int | None
    message: str
    id: str | None = None
    severity: str | None = None
    field: str | None = None
