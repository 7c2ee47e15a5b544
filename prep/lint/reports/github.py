"""The report as GitHub Actions annotations of the file's lines.

Of each step GitHub shows ten errors, ten warnings and ten notices, the first that are printed; the others stand in the log alone.
"""

from collections import defaultdict
from itertools import chain, zip_longest

from prep.lint.report import Diagnostic, LintReport
from prep.lint.reports.text import plural, summary_line
from prep.lint.rule import Severity

SHOWN_BY_GITHUB = 10
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def as_github(report: LintReport) -> str:
    """Returns one workflow command a finding, the worst first, then what GitHub will not show, and the summary."""
    lines = []
    for severity, level in _LEVELS.items():
        found = _in_turn([one for one in report.diagnostics if one.severity is severity])
        lines += [_command(level, one) for one in found]
    hidden = [
        plural(report.count(severity) - SHOWN_BY_GITHUB, severity.value)
        for severity in Severity
        if report.count(severity) > SHOWN_BY_GITHUB
    ]
    if hidden:
        lines.append(f"GitHub shows {SHOWN_BY_GITHUB} annotations of a severity; in this log alone stand {', '.join(hidden)}.")
    return "\n".join([*lines, summary_line(report)])


def _in_turn(found: list[Diagnostic]) -> list[Diagnostic]:
    """Orders findings so that each rule has its turn: ten annotations of one rule would hide all others."""
    by_code: dict[str, list[Diagnostic]] = defaultdict(list)
    for one in found:
        by_code[one.code].append(one)
    rounds = zip_longest(*(by_code[code] for code in sorted(by_code)))
    return [one for one in chain.from_iterable(rounds) if one is not None]


def _command(level: str, one: Diagnostic) -> str:
    place = "" if one.file is None else f"file={_property(one.file)}," + (f"line={one.line}," if one.line is not None else "")
    title = _property(f"{one.code} {one.name}")
    return f"::{level} {place}title={title}::{_data(f'{one.message}. {one.remedy}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
