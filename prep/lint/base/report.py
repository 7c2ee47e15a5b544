"""What a lint run found: its diagnostics, their summary, and the rules that were skipped."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.excerpts import Excerpts
from prep.lint.base.finding import Severity


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
    """

    path: Path
    diagnostics: tuple[Diagnostic, ...]
    skipped: tuple[Skipped, ...]
    num_examples: int
    built: bool
    num_suppressed: int = 0
    ran: tuple[str, ...] = ()
    excerpts: Excerpts = field(default_factory=dict)

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
