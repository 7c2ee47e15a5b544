"""The report as one HTML file that needs nothing but itself: scores, plots, duplicates, leaks, slices, the worst rows, all findings."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import loopwright
from loopwright.page import make_page
from loopwright.plots import BarPlot, Histogram, bar_plot, histogram
from prep.lint.base.documentation import rule_summary
from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport
from prep.lint.base.rule import RULES
from prep.lint.detectors.expectations import ExpectationState
from prep.lint.reports.beside import CONFLICT_CODES, DUPLICATE_CODES, LEAK_CODES
from prep.lint.reports.declared import Declared
from prep.lint.reports.declared_view import say_bounds, say_interval, share_marks, share_tables, whole_share
from prep.lint.reports.facts import BINS_PER_OCTAVE, PageFacts
from prep.lint.reports.groups import group_of, groups_of
from prep.lint.reports.rows import RowView
from prep.lint.reports.scores import clean_rows, score_groups, share_of
from prep.lint.reports.statistics import RuleCount, count_rules
from prep.lint.reports.text import format_share, plural

_TEMPLATE = Path(__file__).parent / "page.html.jinja"
_ROWS_A_PAGE = 10
_MAX_CODES = 6
_STATE_ORDER = {
    state: order
    for order, state in enumerate(
        (ExpectationState.EMPTY, ExpectationState.THIN, ExpectationState.BELOW, ExpectationState.ABOVE, ExpectationState.MET)
    )
}


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the worst rows: the number of the first, the rows, and the rules that most of them break."""

    first: int
    rows: tuple[RowView, ...]
    codes: tuple[str, ...]

    @property
    def last(self) -> int:
        """The number of the last."""
        return self.first + len(self.rows) - 1


def as_html(report: LintReport, facts: PageFacts) -> str:
    """Returns the page.

    Args:
        report: what was found.
        facts: what `page_facts` counted of the same data.
    """
    row_numbers = {row.id: number for number, row in enumerate(facts.worst, start=1)}
    counts = count_rules(report)
    return make_page(
        _TEMPLATE,
        report=report,
        facts=facts,
        name=facts.name or report.path.name or str(report.path),
        overall=clean_rows(report, report.diagnostics),
        scores=score_groups(report),
        counts=counts,
        quiet=[RULES.get(code) for code in sorted(set(report.ran) - report.summary.keys() - {one.code for one in report.skipped})],
        summaries={code: rule_summary(RULES.get(code)) for code in RULES.entries},
        codes=sorted({one.code for one, _ in facts.findings}),
        groups=groups_of(RULES.entries),
        severities=list(Severity),
        row_numbers=row_numbers,
        row_pages=_pages(facts.worst),
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
        looked_for_conflicts=any(code in report.ran for code in CONFLICT_CODES),
        looked_for_duplicates=any(code in report.ran for code in DUPLICATE_CODES),
        slice_kinds=list(dict.fromkeys(one.by for one in facts.slices)),
        version=loopwright.__version__,
        group_of=group_of,
        here=partial(_without_folder, f"{report.path.parent}/"),
        plural=plural,
        share=format_share,
        share_of=share_of,
        severity_counts=[(severity.value, report.count(severity)) for severity in Severity],
        rule_findings=_rule_findings,
    )


def _without_folder(folder: str, text: str) -> str:
    """Returns a text with the names of files beside the linted one alone; the page's foot has the whole path."""
    return text.replace(folder, "") if folder.startswith("/") else text


def _rule_findings(count: RuleCount) -> str:
    return ", ".join(plural(number, severity.value) for severity, number in count.findings.items())


def _pages(rows: Sequence[RowView]) -> list[Page]:
    """Divides the worst rows into pages of ten: only the first is open."""
    pages = []
    for start in range(0, len(rows), _ROWS_A_PAGE):
        of_page = tuple(rows[start : start + _ROWS_A_PAGE])
        codes = Counter(code for row in of_page for code in {one.code for one, _ in row.findings})
        pages.append(Page(start + 1, of_page, tuple(code for code, _ in codes.most_common(_MAX_CODES))))
    return pages


def _label_plot(facts: PageFacts, index: int) -> BarPlot:
    task = facts.labels[index]
    splits = [split for split in facts.splits if task.totals[split]]
    total = sum(task.totals.values())
    shares = {label: [counts[split] / task.totals[split] for split in splits] for label, counts in task.counts.items()}
    texts = {label: f"{sum(counts.values()):,} ({share_of(sum(counts.values()), total)})" for label, counts in task.counts.items()}
    return bar_plot(task.task or "Labels", splits, shares, texts)


def _length_plots(facts: PageFacts) -> list[Histogram]:
    plots = []
    for part, title in (("input", "Input, characters"), ("answer", "Answer, characters")):
        bins = {one.split: one.bins for one in facts.lengths if one.part == part and one.bins}
        if len({place for of_split in bins.values() for place in of_split}) > 1:  # texts of one length say it in the table
            plots.append(histogram(title, bins, bins_per_octave=BINS_PER_OCTAVE))
    return plots


def _leak_table(facts: PageFacts) -> list[tuple[str, str, str, int, int]]:
    """Returns code, rule, split, rows that leaked, and the rows of the split."""
    return [(code, RULES.get(code).name, split, rows, facts.splits.get(split, 0)) for (code, split), rows in facts.leaked.items()]
