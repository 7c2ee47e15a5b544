"""The report as GitHub Actions annotations of the file's lines.

Of each step GitHub shows ten errors, ten warnings and ten notices, the first that are printed; only the log has the others.
"""

from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport
from prep.lint.reports.order import worst_in_turn
from prep.lint.reports.text import plural, summary_line

SHOWN_BY_GITHUB = 10
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def as_github(report: LintReport) -> str:
    """Returns one workflow command a finding, the worst first, then what GitHub will not show, and the summary."""
    lines = [_command(one) for one in worst_in_turn(report.diagnostics)]
    hidden = [
        plural(report.count(severity) - SHOWN_BY_GITHUB, severity.value)
        for severity in Severity
        if report.count(severity) > SHOWN_BY_GITHUB
    ]
    if hidden:
        lines.append(f"GitHub shows {SHOWN_BY_GITHUB} annotations per severity; only this log has {', '.join(hidden)}.")
    return "\n".join([*lines, summary_line(report)])


def _command(one: Diagnostic) -> str:
    place = "" if one.file is None else f"file={_property(one.file)}," + (f"line={one.line}," if one.line is not None else "")
    title = _property(f"{one.code} {one.name}")
    return f"::{_LEVELS[one.severity]} {place}title={title}::{_data(f'{one.message}. {one.remedy}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
