"""A report as text for people, as counts, and as GitHub annotations."""

from itertools import groupby

from prep.lint.report import Diagnostic, LintReport
from prep.lint.rule import Severity

_MAX_SHOWN = 20


def as_text(report: LintReport) -> str:
    """Returns the findings grouped by rule, the worst first, at most 20 a rule, then the summary."""
    worst: dict[str, int] = {}
    for one in report.diagnostics:
        worst[one.code] = max(worst.get(one.code, 0), one.severity.rank)
    blocks = []
    ranked = sorted(report.diagnostics, key=lambda one: (-worst[one.code], one.code))
    for code, group in groupby(ranked, key=lambda one: one.code):
        found = list(group)
        lines = [f"{code} {found[0].name}: {_plural(len(found), 'finding')}"]
        lines += [f"  {one.location}: {one.severity.value}: {one.message}{_place(one)}" for one in found[:_MAX_SHOWN]]
        if len(found) > _MAX_SHOWN:
            lines.append(f"  and {len(found) - _MAX_SHOWN:,} more (--format json shows all)")
        lines.append(f"  = {found[0].remedy}")
        blocks.append("\n".join(lines))
    return "\n\n".join([*blocks, summary_line(report)])


def _place(diagnostic: Diagnostic) -> str:
    if diagnostic.field is None:
        return ""
    return (
        f" ({diagnostic.field})"
        if diagnostic.span is None
        else f" ({diagnostic.field}, characters {diagnostic.span[0]} to {diagnostic.span[1]})"
    )


def as_statistics(report: LintReport) -> str:
    """Returns one line a rule: count, code, severity of the worst, name."""
    lines = []
    for code, count in sorted(report.summary.items(), key=lambda item: (-item[1], item[0])):
        found = [one for one in report.diagnostics if one.code == code]
        worst = max((one.severity for one in found), key=lambda severity: severity.rank)
        lines.append(f"{count:7,}  {code}  {worst.value:7}  {found[0].name}")
    return "\n".join([*lines, summary_line(report)])


def summary_line(report: LintReport) -> str:
    """Returns the counts by severity, and which rules did not run."""
    counts = {severity: report.count(severity) for severity in Severity}
    found = ", ".join(_plural(count, severity.value) for severity, count in counts.items() if count)
    line = f"{found or 'Nothing found'} in {_plural(report.num_examples, 'example')}."
    if not report.skipped:
        return line
    reasons: dict[str, list[str]] = {}
    for skipped in report.skipped:
        reasons.setdefault(skipped.reason, []).append(skipped.code)
    return line + "".join(f"\nNot run: {', '.join(codes)}: {reason}." for reason, codes in reasons.items())


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 or noun == "info" else f"{count:,} {noun}s"


def as_github(report: LintReport) -> str:
    """Returns one GitHub Actions workflow command a finding; they become annotations of the file's lines."""
    level = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
    lines = []
    for one in report.diagnostics:
        place = "" if one.file is None else f"file={_property(one.file)}," + (f"line={one.line}," if one.line is not None else "")
        title = _property(f"{one.code} {one.name}")
        lines.append(f"::{level[one.severity]} {place}title={title}::{_data(f'{one.message}. {one.remedy}')}")
    return "\n".join([*lines, summary_line(report)])


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
