"""The report as counts by rule."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport
from prep.lint.reports.text import format_share, summary_line


@dataclass(frozen=True, slots=True)
class RuleCount:
    """What one rule found.

    Attributes:
        code: the rule's code.
        name: its name.
        severity: of its worst finding.
        findings: their number by severity, the worst first.
        num_rows: the rows that have one; a finding on the dataset as a whole has none.
        share: of all rows, in [0, 1].
    """

    code: str
    name: str
    severity: Severity
    findings: dict[Severity, int]
    num_rows: int
    share: float

    @property
    def num_findings(self) -> int:
        """All its findings."""
        return sum(self.findings.values())


def count_rules(report: LintReport) -> list[RuleCount]:
    """Returns the counts of each rule that found something, the worst severity first, then the most findings."""
    found: dict[str, list[Diagnostic]] = defaultdict(list)
    for one in report.diagnostics:
        found[one.code].append(one)
    counts = []
    for code, group in found.items():
        by_severity = Counter(one.severity for one in group)
        severities = {severity: by_severity[severity] for severity in Severity if by_severity[severity]}
        num_rows = len({one.id for one in group if one.id is not None})
        share = num_rows / report.num_examples if report.num_examples else 0.0
        counts.append(RuleCount(code, group[0].name, next(iter(severities)), severities, num_rows, share))
    return sorted(counts, key=lambda one: (-one.severity.rank, -one.num_findings, one.code))


def as_statistics(report: LintReport, *, verbose: bool = False) -> str:
    """Returns one line a rule: findings, rows, their share of all rows, code, severity of the worst, name; then the summary."""
    counts = count_rules(report)
    lines = [f"{'findings':>10}  {'rows':>9}  {'share':>6}  code    severity  rule"] if counts else []
    lines += [
        f"{one.num_findings:10,}  {one.num_rows:9,}  {format_share(one.share):>6}  {one.code}  {one.severity.value:8}  {one.name}"
        for one in counts
    ]
    return "\n".join([*lines, summary_line(report, verbose=verbose)])


def statistics_as_json(report: LintReport) -> dict[str, Any]:
    """Returns the counts by rule, how many rows were looked at, and the rules that did not run."""
    rules = [
        {
            "code": one.code,
            "name": one.name,
            "severity": one.severity.value,
            "findings": one.num_findings,
            "by_severity": {severity.value: count for severity, count in one.findings.items()},
            "rows": one.num_rows,
            "share": round(one.share, 6),
        }
        for one in count_rules(report)
    ]
    return {
        "num_examples": report.num_examples,
        "statistics": rules,
        "skipped": [skipped.as_json() for skipped in report.skipped],
    } | report.beside_as_json()
