"""The report as text: by rule, the worst first, each finding with the place it points at."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loopwright.console import printable
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.excerpts import Excerpts, place_of
from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport
from prep.lint.reports.order import by_rule
from prep.lint.reports.underline import underline

if TYPE_CHECKING:
    from rich.text import Text

_MAX_SHOWN = 20
# A kind that so many of the rows have is one thing to mend: it is one line with its count.
_MANY = 0.1
_LEAST_MANY = 10
_SAME = 3  # findings that one sentence is said of once
_MAX_REASONS = 3
_WIDTH = 110
_MARGIN = "      | "
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold cyan"}


def as_text(report: LintReport, excerpts: Excerpts | None = None, *, verbose: bool = False) -> str:
    """Returns the findings grouped by rule, the worst first, at most 20 a rule, then the summary.

    What more than a tenth of the rows have is one line with its count, and a sentence that several findings share is said once.

    Args:
        report: what was found.
        excerpts: the text that the findings point at.
        verbose: list the rules that did not run, with the reasons.
    """
    return text_view(report, excerpts, verbose=verbose).plain


def shown_in_text(diagnostics: Iterable[Diagnostic], num_examples: int) -> list[Diagnostic]:
    """Returns the findings that excerpts are needed of: those that the text report shows one by one, and the first of each rule."""
    groups = by_rule(diagnostics)
    return [one for group in groups for one in dict.fromkeys((*group[:_MAX_SHOWN], *_Group.of(group, num_examples).shown))]


def text_view(report: LintReport, excerpts: Excerpts | None = None, *, width: int = _WIDTH, verbose: bool = False) -> "Text":
    """Returns the text report with its colours, for a terminal of `width` cells; to be printed without wrapping."""
    from rich.text import Text

    view = Text()
    for findings in by_rule(report.diagnostics):
        view.append(f"{findings[0].code} {findings[0].name}", "bold").append(f": {plural(len(findings), 'finding')}\n")
        group = _Group.of(findings, report.num_examples)
        for many in group.counted:
            _add_count(view, many, report.num_examples)
        for same in _by_sentence(group.shown):
            _add_findings(view, same, excerpts or {}, width)
        if group.num_left:
            view.append(f"  and {group.num_left:,} more (--format json shows all)\n", "dim")
        for remedy in dict.fromkeys(one.remedy for one in (*(many[0] for many in group.counted), *group.shown)):
            view.append("  = ", "bold cyan").append(f"{printable(remedy)}\n")
        view.append("\n")
    return view.append(printable(summary_line(report, verbose=verbose)))


@dataclass(frozen=True, slots=True)
class _Group:
    """The findings of one rule as they are shown.

    Attributes:
        counted: those of kinds that many rows have, by kind.
        shown: those that are shown one by one.
        num_left: those that are not shown.
    """

    counted: list[list[Diagnostic]]
    shown: list[Diagnostic]
    num_left: int

    @classmethod
    def of(cls, findings: list[Diagnostic], num_examples: int) -> "_Group":
        kinds: dict[tuple[Severity, str | None], list[Diagnostic]] = {}
        for one in findings:
            kinds.setdefault((one.severity, one.kind), []).append(one)
        least = max(_MANY * num_examples, _LEAST_MANY)
        many = {key: found for key, found in kinds.items() if len({one.id for one in found if one.id is not None}) > least}
        others = [one for one in findings if (one.severity, one.kind) not in many]
        return cls(list(many.values()), others[:_MAX_SHOWN], max(len(others) - _MAX_SHOWN, 0))


def _by_sentence(findings: list[Diagnostic]) -> list[list[Diagnostic]]:
    """Returns the findings of one sentence together, where it stands for several, in the order of their first ones."""
    same: dict[tuple[str, Severity, str | None], list[Diagnostic]] = {}
    for one in findings:
        same.setdefault((one.message, one.severity, one.field), []).append(one)
    return [part for group in same.values() for part in ([group] if len(group) >= _SAME else [[one] for one in group])]


def _add_count(view: "Text", found: list[Diagnostic], num_examples: int) -> None:
    num_rows = len({one.id for one in found if one.id is not None})
    first = found[0]
    view.append("  ").append(first.severity.value, _STYLES[first.severity])
    view.append(f": {num_rows:,} of {plural(num_examples, 'row')} ({format_share(num_rows / num_examples)}), such as ")
    view.append(f"{printable(first.location)}: ", "cyan").append(f"{_sentence(first)}{_field(first, located=True)}")
    view.append(" (--format json shows all)\n", "dim")


def _add_findings(view: "Text", same: list[Diagnostic], excerpts: Excerpts, width: int) -> None:
    """Adds the findings that one sentence is said of, each with its place and excerpt."""
    first, together = same[0], len(same) > 1
    style = _STYLES[first.severity]
    if together:
        view.append("  ").append(first.severity.value, style).append(f": {_sentence(first)}{_field(first, located=True)}:\n")
    for one in same:
        excerpt = excerpts.get(place_of(one))
        if together:
            view.append(f"    {printable(one.location)}{_span(one) if excerpt is None else ''}\n", "cyan")
        else:
            view.append(f"  {printable(one.location)}: ", "cyan").append(one.severity.value, style)
            view.append(f": {_sentence(one)}").append(f"{_field(one, located=excerpt is not None)}\n", "dim")
        if excerpt is None:
            continue
        line = underline(excerpt, max(width - len(_MARGIN), 20))
        view.append(_MARGIN, "dim").append(line.before).append(line.marked, style).append(line.after.rstrip(" ")).append("\n")
        if line.note:
            view.append(_MARGIN, "dim").append(f"{line.note}\n", style)


def _sentence(one: Diagnostic) -> str:
    return " ".join(printable(one.message).split())


def _span(one: Diagnostic) -> str:
    return "" if one.span is None else f" (characters {one.span[0]} to {one.span[1]})"


def _field(one: Diagnostic, *, located: bool) -> str:
    if one.field is None:
        return ""
    field = printable(one.field)
    return f" ({field})" if one.span is None or located else f" ({field}, characters {one.span[0]} to {one.span[1]})"


def summary_line(report: LintReport, *, verbose: bool = False) -> str:
    """Returns the counts by severity, the findings that are not shown, the notes, and how many rules did not run; those by name and reason
    where it is asked for, or where they are few.
    """
    counts = {severity: report.count(severity) for severity in Severity}
    found = ", ".join(plural(count, severity.value) for severity, count in counts.items() if count)
    line = f"{found or 'Nothing found'} in {plural(report.num_examples, 'example')}."
    if report.num_suppressed:
        line += f" {plural(report.num_suppressed, 'finding')} suppressed, or already in the baseline."
    if report.num_kept:
        line += f" {plural(report.num_kept, 'finding')} kept by a person."
    line += "".join(f"\n{note.text}" for note in report.notes)
    if not report.skipped:
        return line
    if not verbose and report.ran and len(report.skipped) > _MAX_REASONS:
        num_partly = sum(one.partly for one in report.skipped)
        partly = f", {num_partly} run in part" if num_partly else ""
        return f"{line}\n{plural(len(report.skipped) - num_partly, 'rule')} not run{partly} (--verbose lists them)."
    reasons: dict[tuple[str, str], list[str]] = {}
    for skipped in report.skipped:
        reasons.setdefault(("Run in part" if skipped.partly else "Not run", skipped.reason), []).append(skipped.code)
    return line + "".join(f"\n{what}: {', '.join(codes)}: {reason}." for (what, reason), codes in reasons.items())


def plural(count: int, noun: str) -> str:
    """Returns a number with its noun."""
    return f"{count:,} {noun}" if count == 1 or noun == "info" else f"{count:,} {noun}s"


def format_share(share: float) -> str:
    """Returns a share in per cent, to one place; never 0.0 or 100.0 where it is not."""
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{min(share, 0.999) if share < 1 else 1:.1%}"
