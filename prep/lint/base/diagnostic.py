"""A finding, completed: whose rule, how severe, where, what and what to do."""

from dataclasses import dataclass
from typing import Any

from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.pii import mask


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding, complete: whose rule, how severe, where, what and what to do.

    Personal identifiers are masked in `message`.
    """

    code: str
    name: str
    severity: Severity
    id: str | None
    row_id: str | None
    file: str | None
    line: int | None
    field: str | None
    span: tuple[int, int] | None
    kind: str | None
    score: float | None
    message: str
    remedy: str
    related: tuple[str, ...]

    @classmethod
    def of(cls, rule: Rule, finding: Finding) -> "Diagnostic":
        """Completes a rule's finding."""
        return cls(
            code=rule.code,
            name=rule.name,
            severity=finding.severity or rule.severity,
            id=finding.id,
            row_id=finding.row_id,
            file=finding.source,
            line=finding.line,
            field=finding.field,
            span=finding.span,
            kind=finding.kind,
            score=None if finding.score is None else min(max(finding.score, 0.0), 1.0),
            message=mask(finding.message),
            remedy=finding.remedy or rule.remedy,
            related=finding.related,
        )

    @property
    def location(self) -> str:
        """`file:line`, as far as known."""
        if self.file is None:
            return "dataset"
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def as_json(self) -> dict[str, Any]:
        """Returns the diagnostic as the JSON contract has it: `span`, `kind` and `score` only where known."""
        known: dict[str, Any] = {
            "code": self.code,
            "name": self.name,
            "severity": self.severity.value,
            "id": self.id,
            "file": self.file,
            "line": self.line,
            "field": self.field,
            "message": self.message,
            "remedy": self.remedy,
            "related": list(self.related),
        }
        if self.span is not None:
            known["span"] = list(self.span)
        if self.kind is not None:
            known["kind"] = self.kind
        if self.score is not None:
            known["score"] = round(self.score, 6)
        return known
