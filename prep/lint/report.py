"""What lint found: diagnostics, their summary, and the fixes that rules propose for them."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.lint.rule import Finding, Rule, Severity
from prep.pii import mask

if TYPE_CHECKING:
    from prep.lint.excerpts import Excerpts
    from prep.lint.reports.facts import PageFacts


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


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rule that did not look at the data, or only in part of the ways that it knows, and why. It has not passed."""

    code: str
    reason: str
    partly: bool = False

    def as_json(self) -> dict[str, Any]:
        """Returns it as the JSON contract has it; `partly` only where it is so."""
        return {"code": self.code, "reason": self.reason} | ({"partly": True} if self.partly else {})


@dataclass(frozen=True)
class LintReport:
    """The result of a lint run.

    Attributes:
        path: what was linted.
        diagnostics: in the order of files and lines.
        skipped: the rules that did not run, or only in part.
        num_examples: how many examples were looked at.
        built: whether it is a built dataset.
        num_suppressed: diagnostics that a suppression or the baseline holds back.
        ran: the codes of the rules that looked at the data.
        excerpts: the text that findings point at, where it was asked for.
        facts: what a page shows of the data, where it was asked for.
    """

    path: Path
    diagnostics: tuple[Diagnostic, ...]
    skipped: tuple[Skipped, ...]
    num_examples: int
    built: bool
    num_suppressed: int = 0
    ran: tuple[str, ...] = ()
    excerpts: "Excerpts" = field(default_factory=dict)
    facts: "PageFacts | None" = None

    @cached_property
    def summary(self) -> dict[str, int]:
        """Number of diagnostics by code, in the order of codes."""
        return dict(sorted(Counter(diagnostic.code for diagnostic in self.diagnostics).items()))

    def count(self, severity: Severity) -> int:
        """Returns the number of diagnostics of a severity."""
        return sum(diagnostic.severity is severity for diagnostic in self.diagnostics)

    def fails(self, threshold: Severity | None) -> bool:
        """Says whether there is a diagnostic of that severity or worse; a threshold of None never fails."""
        return threshold is not None and any(diagnostic.severity.rank >= threshold.rank for diagnostic in self.diagnostics)

    def as_json(self) -> dict[str, Any]:
        """Returns the report as the JSON contract has it."""
        return {
            "diagnostics": [diagnostic.as_json() for diagnostic in self.diagnostics],
            "summary": self.summary,
            "skipped": [skipped.as_json() for skipped in self.skipped],
        }

    def drafts(self) -> list[dict[str, Any]]:
        """Returns the fixes that rules propose for a built dataset's diagnostics; foreign files have no fix ledger and get none.

        Each is `{"op", "row_id", "id", "code", "fields", "reason", "evidence": {"code", "message", "related"}, "safe"}`, one a raw row,
        code and operation.
        """
        from prep.lint.drafts import make_drafts

        return make_drafts(self) if self.built else []
