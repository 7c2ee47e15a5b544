"""The report as text: by rule, the worst first, each finding with the place it points at."""

from collections.abc import Iterable
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
_WIDTH = 110
_MARGIN = "      | "
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold cyan"}


def as_text(report: LintReport, excerpts: Excerpts | None = None) -> str:
    """Returns the findings grouped by rule, the worst first, at most 20 a rule, then the summary."""
    return text_view(report, excerpts).plain


def shown_in_text(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Returns the findings that the text report shows: those that excerpts are needed of."""
    return [one for group in by_rule(diagnostics) for one in group[:_MAX_SHOWN]]


def text_view(report: LintReport, excerpts: Excerpts | None = None, *, width: int = _WIDTH) -> "Text":
    """Returns the text report with its colours, for a terminal of `width` cells; to be printed without wrapping."""
    from rich.text import Text

    view = Text()
    for group in by_rule(report.diagnostics):
        view.append(f"{group[0].code} {group[0].name}", "bold").append(f": {plural(len(group), 'finding')}\n")
        for one in group[:_MAX_SHOWN]:
            _add_finding(view, one, excerpts or {}, width)
        if len(group) > _MAX_SHOWN:
            view.append(f"  and {len(group) - _MAX_SHOWN:,} more (--format json shows all)\n", "dim")
        for remedy in dict.fromkeys(one.remedy for one in group[:_MAX_SHOWN]):
            view.append("  = ", "bold cyan").append(f"{printable(remedy)}\n")
        view.append("\n")
    return view.append(printable(summary_line(report)))


def _add_finding(view: "Text", one: Diagnostic, excerpts: Excerpts, width: int) -> None:
    excerpt = excerpts.get(place_of(one))
    style = _STYLES[one.severity]
    view.append(f"  {printable(one.location)}: ", "cyan").append(one.severity.value, style)
    view.append(f": {' '.join(printable(one.message).split())}").append(f"{_field(one, located=excerpt is not None)}\n", "dim")
    if excerpt is None:
        return
    line = underline(excerpt, max(width - len(_MARGIN), 20))
    view.append(_MARGIN, "dim").append(line.before).append(line.marked, style).append(line.after.rstrip(" ")).append("\n")
    if line.note:
        view.append(_MARGIN, "dim").append(f"{line.note}\n", style)


def _field(one: Diagnostic, *, located: bool) -> str:
    if one.field is None:
        return ""
    field = printable(one.field)
    return f" ({field})" if one.span is None or located else f" ({field}, characters {one.span[0]} to {one.span[1]})"


def summary_line(report: LintReport) -> str:
    """Returns the counts by severity, the suppressed findings, the notes, and the rules that did not run."""
    counts = {severity: report.count(severity) for severity in Severity}
    found = ", ".join(plural(count, severity.value) for severity, count in counts.items() if count)
    line = f"{found or 'Nothing found'} in {plural(report.num_examples, 'example')}."
    if report.num_suppressed:
        line += f" {plural(report.num_suppressed, 'finding')} suppressed, or already in the baseline."
    line += "".join(f"\n{note.text}" for note in report.notes)
    reasons: dict[tuple[str, str], list[str]] = {}
    for skipped in report.skipped:
        reasons.setdefault(("Run in part" if skipped.partly else "Not run", skipped.reason), []).append(skipped.code)
    return line + "".join(f"\n{what}: {', '.join(codes)}: {reason}." for (what, reason), codes in reasons.items())


def plural(count: int, noun: str) -> str:
    """Returns a number with its noun."""
    return f"{count:,} {noun}" if count == 1 or noun == "info" else f"{count:,} {noun}s"
