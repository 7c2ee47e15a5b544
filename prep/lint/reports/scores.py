"""What the page says of each group of rules: the share of rows without a finding, or that too few of its rules ran to say."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport
from prep.lint.base.rule import RULES
from prep.lint.reports.groups import Group, group_of, groups_of
from prep.lint.reports.text import format_share

_NEAR_ALL = 0.99


@dataclass(frozen=True, slots=True)
class Clean:
    """How many rows have no error or warning; an unreadable line counts as a row.

    Attributes:
        num_clean: those rows.
        num_rows: all rows.
    """

    num_clean: int
    num_rows: int

    @property
    def share(self) -> float:
        """The share of rows without a finding, in [0, 1]."""
        return self.num_clean / self.num_rows

    @property
    def number(self) -> str:
        """The score: a count where the share would be rounded to nearly 100, else a percentage, rounded down; 100 says that there is
        nothing.
        """
        if self.num_clean == self.num_rows:
            return "100"
        return f"{self.num_clean:,}" if self.share >= _NEAR_ALL else f"{math.floor(self.share * 1000) / 10:.1f}"

    @property
    def unit(self) -> str:
        """What stands after the number."""
        return f"of {self.num_rows:,}" if self.num_clean < self.num_rows and self.share >= _NEAR_ALL else "%"


@dataclass(frozen=True, slots=True)
class Score:
    """How one group of rules judges the data.

    Attributes:
        code: the letters that its rules' codes begin with.
        group: its name and question.
        clean: the rows without an error or a warning of it; None where none of its rules ran, or so few that finding nothing says little.
        findings: their number by severity.
        num_general: errors and warnings about the dataset as a whole, which no row can be blamed for.
        num_rules: its rules.
        num_ran: those of them that ran.
    """

    code: str
    group: Group
    clean: Clean | None
    findings: dict[Severity, int]
    num_general: int
    num_rules: int
    num_ran: int

    @property
    def state(self) -> str:
        """For its colour: good, unsure, bad or none."""
        if self.clean is None:
            return "none"
        if self.findings.get(Severity.ERROR):
            return "bad"
        return "unsure" if self.findings.get(Severity.WARNING) else "good"


def score_groups(report: LintReport) -> list[Score]:
    """Returns each group's score.

    Half of a group's rules that did not run and the others that found nothing make no 100: the group has no score then.
    """
    found: dict[str, list[Diagnostic]] = defaultdict(list)
    for one in report.diagnostics:
        found[group_of(one.code)].append(one)
    scores = []
    for code, group in groups_of(RULES.entries).items():
        own = found[code]
        known = {rule for rule in RULES.entries if group_of(rule) == code}
        ran = known & ({*report.ran} | {one.code for one in own})
        serious = [one for one in own if one.severity is not Severity.INFO]
        severities = {severity: sum(one.severity is severity for one in own) for severity in Severity}
        scores.append(
            Score(
                code=code,
                group=group,
                clean=clean_rows(report, own) if serious or 2 * len(ran) > len(known) else None,
                findings={severity: count for severity, count in severities.items() if count},
                num_general=sum(one.id is None and one.line is None for one in serious),
                num_rules=len(known),
                num_ran=len(ran),
            )
        )
    return scores


def clean_rows(report: LintReport, diagnostics: Iterable[Diagnostic]) -> Clean | None:
    """Counts the rows that none of the diagnostics blames; None where there are no rows."""
    rows: set[str] = set()
    lines: set[tuple[str | None, int]] = set()
    for one in diagnostics:
        if one.severity is Severity.INFO:
            continue
        if one.id is not None:
            rows.add(one.id)
        elif one.line is not None:
            lines.add((one.file, one.line))
    total = report.num_examples + len(lines)
    return Clean(max(total - len(rows) - len(lines), 0), total) if total else None


def share_of(count: int, total: int) -> str:
    """Returns a share of rows in per cent, and as a count where the percentage would be rounded to nearly 100."""
    if not total:
        return "–"
    share = count / total
    return f"{count:,} of {total:,}" if _NEAR_ALL <= share < 1 else format_share(share)
