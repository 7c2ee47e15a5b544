"""Results in words, for people."""

from collections.abc import Iterator
from pathlib import Path

from prep.targets.checks.rules import Problem
from prep.targets.validation import Validation
from prep.targets.write import ExportResult

_MAX_PRINTED = 100  # of each kind; JSON has all


def export_lines(result: ExportResult) -> Iterator[str]:
    """Yields what an export did, a line each: files, what was left out, what was changed, warnings."""
    yield f"{result.target}, form {result.form} -> {result.out}"
    for name, rows in result.files.items():
        yield f"  {name}: {rows:,} rows"
    for reason, left in result.left_out.items():
        more = ", ..." if left.rows > len(left.ids) else ""
        yield f"  left out {left.rows:,}: {reason} ({', '.join(left.ids)}{more})"
    if result.dropped_path is not None:
        yield f"  what {result.target} would refuse is left out, and listed with the reasons in {result.dropped_path}"
    for what, number in result.changed.items():
        yield f"  changed {number:,}: {what}"
    yield from (f"  warning: {warning}" for warning in result.warnings[:_MAX_PRINTED])
    if len(result.warnings) > _MAX_PRINTED:
        yield f"  and {len(result.warnings) - _MAX_PRINTED:,} more warnings"


def validation_text(result: Validation, file: Path, validation: Path | None) -> str:
    """Returns the problems as `file:line: severity: rule: message (field)`, up to 100 of each severity, then a line of counts."""
    lines = [
        line
        for severity, problems in (("error", result.errors), ("warning", result.warnings))
        for line in _problem_lines(severity, problems, file, validation)
    ]
    rows = f"{result.rows:,} rows" + (f" and {result.validation_rows:,} of validation" if result.validation_rows is not None else "")
    verdict = "valid" if result.is_valid else "not valid"
    return "\n".join([*lines, f"{verdict}: {len(result.errors):,} errors, {len(result.warnings):,} warnings in {rows}"])


def _problem_lines(severity: str, problems: tuple[Problem, ...], file: Path, validation: Path | None) -> Iterator[str]:
    for problem in problems[:_MAX_PRINTED]:
        path = validation if problem.is_validation else file
        line = f":{problem.line}" if problem.line else ""
        where = f" ({problem.field})" if problem.field else ""
        yield f"{path}{line}: {severity}: {problem.rule}: {problem.message}{where}"
    if len(problems) > _MAX_PRINTED:
        yield f"and {len(problems) - _MAX_PRINTED:,} more of severity {severity}; --format json has all"
