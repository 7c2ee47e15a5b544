"""What a lint run found: its diagnostics, their summary, and the rules that were skipped."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.notebook import html_table
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.excerpts import Excerpts
from prep.lint.base.finding import Severity
from prep.lint.base.note import Note

_MAX_SHOWN = 20
_TEXT_COLUMNS = ("code", "name", "severity", "id", "row_id", "file")
_SCHEMA = {
    **dict.fromkeys(_TEXT_COLUMNS, pl.String()),
    "line": pl.Int64(),
    "field": pl.String(),
    "span": pl.List(pl.Int64()),
    "kind": pl.String(),
    "score": pl.Float64(),
    **dict.fromkeys(("message", "remedy"), pl.String()),
    "related": pl.List(pl.String()),
}


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
        num_kept: diagnostics that a person kept, by an entry of the fix ledger.
        ran: the codes of the rules that looked at the data.
        excerpts: the text that findings point at, where it was asked for.
        notes: what there is to know of the data beside the findings.
    """

    path: Path
    diagnostics: tuple[Diagnostic, ...]
    skipped: tuple[Skipped, ...]
    num_examples: int
    built: bool
    num_suppressed: int = 0
    num_kept: int = 0
    ran: tuple[str, ...] = ()
    excerpts: Excerpts = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

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
        """Returns the report as the JSON contract has it; `notes` only where there are some."""
        return {
            "diagnostics": [diagnostic.as_json() for diagnostic in self.diagnostics],
            "summary": self.summary,
            "skipped": [skipped.as_json() for skipped in self.skipped],
        } | self.beside_as_json()

    def beside_as_json(self) -> dict[str, Any]:
        """Returns what every JSON report says beside the findings: how many are not shown, of a dataset always, and the notes, if any."""
        counts = {"num_suppressed": self.num_suppressed, "num_kept": self.num_kept}
        return (counts if self.built or self.num_suppressed else {}) | (
            {"notes": [note.as_json() for note in self.notes]} if self.notes else {}
        )

    def to_polars(self) -> pl.DataFrame:
        """Returns the diagnostics, one a row, in their order. Personal identifiers are masked in the messages, as in every report."""
        records = [[getattr(diagnostic, name) for name in _SCHEMA] for diagnostic in self.diagnostics]
        plain = [[list(value) if isinstance(value, tuple) else value for value in record] for record in records]
        return pl.DataFrame(plain, schema=_SCHEMA, orient="row")

    def _repr_html_(self) -> str:
        counts = ", ".join(f"{self.count(severity)} {severity.value}" for severity in reversed(Severity))
        first = self.diagnostics[:_MAX_SHOWN]
        rows = [(one.severity.value, f"{one.code} {one.name}", one.location, one.message) for one in first]
        more = [f"and {len(self.diagnostics) - len(first):,} more: .to_polars() has them all"] if len(self.diagnostics) > len(first) else []
        not_run = [f"not run: {', '.join(one.code for one in self.skipped if not one.partly)}"] if self.skipped else []
        title = f"{self.path}: {counts} in {self.num_examples:,} examples"
        return html_table(title, ("severity", "rule", "place", "finding"), rows, [*more, *(note.text for note in self.notes), *not_run])
