"""The report as one HTML file that needs nothing but itself: scores, plots, duplicates, leaks, slices, the worst rows, all findings."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import loopwright
from loopwright.page import make_page
from loopwright.plots import BarPlot, Histogram, bar_plot, histogram
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.documentation import rule_summary
from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport
from prep.lint.base.rule import RULES
from prep.lint.detectors.expectations import ExpectationState
from prep.lint.reports.declared import Declared
from prep.lint.reports.declared_view import say_bounds, say_interval, share_marks, share_tables, whole_share
from prep.lint.reports.facts import BINS_PER_OCTAVE, DUPLICATE_CODES, LEAK_CODES, PageFacts
from prep.lint.reports.groups import Group, group_of, groups_of
from prep.lint.reports.order import worst_in_turn
from prep.lint.reports.statistics import RuleCount, count_rules
from prep.lint.reports.text import format_share, plural

_TEMPLATE = Path(__file__).parent / "page.html.jinja"
_MAX_FINDINGS = 1_000
_STATE_ORDER = {
    state: order
    for order, state in enumerate(
        (ExpectationState.EMPTY, ExpectationState.THIN, ExpectationState.BELOW, ExpectationState.ABOVE, ExpectationState.MET)
    )
}


@dataclass(frozen=True, slots=True)
class Score:
    """How one group of rules judges the data.

    Attributes:
        code: the letters that its rules' codes begin with.
        group: its name and question.
        share: of the rows, those without an error or a warning of it, in [0, 1]; None where none of its rules ran.
        findings: their number by severity.
        num_general: errors and warnings about the dataset as a whole, which no row can be blamed for.
        skipped: those of its rules that did not run.
    """

    code: str
    group: Group
    share: float | None
    findings: dict[Severity, int]
    num_general: int
    skipped: tuple[str, ...]

    @property
    def text(self) -> str:
        """The score out of 100; below 100 wherever a row has a finding."""
        return "–" if self.share is None else _hundred(self.share)

    @property
    def state(self) -> str:
        """For its colour: good, unsure, bad or none."""
        if self.share is None:
            return "none"
        if self.findings.get(Severity.ERROR):
            return "bad"
        return "unsure" if self.findings.get(Severity.WARNING) else "good"


def as_html(report: LintReport, facts: PageFacts) -> str:
    """Returns the page.

    Args:
        report: what was found.
        facts: what `page_facts` counted of the same data.
    """
    scores = score_groups(report)
    findings = worst_in_turn(report.diagnostics)[:_MAX_FINDINGS]
    row_numbers = {row.id: number for number, row in enumerate(facts.worst, start=1)}
    counts = count_rules(report)
    return make_page(
        _TEMPLATE,
        report=report,
        facts=facts,
        name=report.path.name or str(report.path),
        overall=_hundred(_clean_share(report, report.diagnostics)),
        scores=scores,
        counts=counts,
        quiet=[RULES.get(code) for code in sorted(set(report.ran) - report.summary.keys() - {one.code for one in report.skipped})],
        summaries={code: rule_summary(RULES.get(code)) for code in RULES.entries},
        findings=findings,
        codes=sorted({one.code for one in findings}),
        groups=groups_of(RULES.entries),
        severities=list(Severity),
        row_numbers=row_numbers,
        label_plots=[_label_plot(facts, index) for index in range(len(facts.labels))],
        length_plots=_length_plots(facts),
        leaks=_leak_table(facts),
        declared=facts.declared != Declared(),
        slices=sorted(facts.declared.slices, key=lambda one: (_STATE_ORDER[one.state], one.covered)),
        num_covered=sum(one.state is ExpectationState.MET for one in facts.declared.slices),
        declared_shares=share_tables(facts.declared),
        state_order=_STATE_ORDER,
        marks=share_marks,
        bounds=say_bounds,
        interval=say_interval,
        whole_share=whole_share,
        looked_for_leaks=any(code in report.ran for code in LEAK_CODES),
        looked_for_duplicates=any(code in report.ran for code in DUPLICATE_CODES),
        slice_kinds=list(dict.fromkeys(one.by for one in facts.slices)),
        version=loopwright.__version__,
        group_of=group_of,
        here=partial(_without_folder, f"{report.path.parent}/"),
        plural=plural,
        share=format_share,
        severity_counts=[(severity.value, report.count(severity)) for severity in Severity],
        rule_findings=_rule_findings,
    )


def score_groups(report: LintReport) -> list[Score]:
    """Returns each group's score: the share of rows without an error or a warning of its rules. An unreadable line counts as a row."""
    found: dict[str, list[Diagnostic]] = defaultdict(list)
    for one in report.diagnostics:
        found[group_of(one.code)].append(one)
    skipped = {one.code for one in report.skipped if not one.partly}
    scores = []
    for code, group in groups_of(RULES.entries).items():
        own = found[code]
        known = [rule for rule in RULES.entries if group_of(rule) == code]
        serious = [one for one in own if one.severity is not Severity.INFO]
        did_run = any(rule in report.ran for rule in known) or bool(own)
        severities = {severity: sum(one.severity is severity for one in own) for severity in Severity}
        scores.append(
            Score(
                code=code,
                group=group,
                share=_clean_share(report, own) if did_run else None,
                findings={severity: count for severity, count in severities.items() if count},
                num_general=sum(one.id is None and one.line is None for one in serious),
                skipped=tuple(rule for rule in sorted(known) if rule in skipped),
            )
        )
    return scores


def _clean_share(report: LintReport, diagnostics: Iterable[Diagnostic]) -> float:
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
    return max(1 - (len(rows) + len(lines)) / total, 0.0) if total else 1.0


def _hundred(share: float) -> str:
    """Returns a share out of 100, rounded down: 100 says that there is nothing."""
    return "100" if share == 1 else f"{math.floor(share * 1000) / 10:.1f}"


def _without_folder(folder: str, text: str) -> str:
    """Returns a text with the names of files beside the linted one alone; the page's foot has the whole path."""
    return text.replace(folder, "") if folder.startswith("/") else text


def _rule_findings(count: RuleCount) -> str:
    return ", ".join(plural(number, severity.value) for severity, number in count.findings.items())


def _label_plot(facts: PageFacts, index: int) -> BarPlot:
    task = facts.labels[index]
    splits = [split for split in facts.splits if task.totals[split]]
    total = sum(task.totals.values())
    shares = {label: [counts[split] / task.totals[split] for split in splits] for label, counts in task.counts.items()}
    texts = {label: f"{sum(counts.values()):,} ({format_share(sum(counts.values()) / total)})" for label, counts in task.counts.items()}
    return bar_plot(task.task or "Labels", splits, shares, texts)


def _length_plots(facts: PageFacts) -> list[Histogram]:
    plots = []
    for part, title in (("input", "Input, characters"), ("answer", "Answer, characters")):
        bins = {one.split: one.bins for one in facts.lengths if one.part == part and one.bins}
        if len({place for of_split in bins.values() for place in of_split}) > 1:  # texts of one length say it in the table
            plots.append(histogram(title, bins, bins_per_octave=BINS_PER_OCTAVE))
    return plots


def _leak_table(facts: PageFacts) -> list[tuple[str, str, str, int, float]]:
    """Returns code, rule, split, rows that leaked, and their share of the split."""
    return [
        (code, RULES.get(code).name, split, rows, rows / facts.splits[split] if facts.splits.get(split) else 0.0)
        for (code, split), rows in facts.leaked.items()
    ]
