"""From findings to diagnostics: drops findings that another rule covers, the config suppresses, a person kept, or the baseline holds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from loopwright.errors import UserError
from loopwright.files import read_json, require_file
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.frame.kept import Kept
from prep.lint.options import LintOptions


def postprocess(found: Mapping[Rule, Sequence[Finding]], options: LintOptions, kept: Kept) -> tuple[tuple[Diagnostic, ...], int, int]:
    """Returns the diagnostics in the order of files and lines, how many were held back by suppressions or the baseline, and how many of the
    others a person kept.

    Raises:
        UserError: the baseline cannot be read.
    """
    diagnostics = [_with_severity(one, options) for one in _merged(found) if not _ignored_here(one, options)]
    shown = [one for one in diagnostics if not _suppressed(one, options)]
    # Before the baseline, of which each entry holds one finding back: those that are kept need none.
    judged = [one for one in shown if not kept.holds(one.row_id, one.code)]
    new = judged if options.baseline is None else _beyond(judged, _read_baseline(options.baseline))
    num_kept = len(shown) - len(judged)
    return tuple(sorted(new, key=_place)), len(diagnostics) - len(new) - num_kept, num_kept


def _merged(found: Mapping[Rule, Sequence[Finding]]) -> Iterable[Diagnostic]:
    ids = {rule.code: {finding.id for finding in findings if finding.id} for rule, findings in found.items()}
    first_id: dict[tuple[str, str, str], str | None] = {}
    for rule, findings in found.items():
        said = set().union(*(ids.get(code, set()) for code in rule.superseded_by))
        for finding in sorted(findings, key=_where):  # a streaming query yields its rows in no order that holds
            if finding.id in said:
                continue
            if finding.row_id is not None:
                # One raw row rendered by several templates is one place to fix: its first example represents the others.
                key = (rule.code, finding.row_id, finding.message)
                if first_id.setdefault(key, finding.id) != finding.id:
                    continue
            yield Diagnostic.of(rule, finding)


def _where(finding: Finding) -> tuple[str, int, str, str, tuple[int, int], str]:
    return finding.source or "", finding.line or 0, finding.id or "", finding.field or "", finding.span or (0, 0), finding.message


def _place(one: Diagnostic) -> tuple[str, int, str, tuple[int, int]]:
    return one.file or "", one.line or 0, one.code, one.span or (0, 0)


def _with_severity(one: Diagnostic, options: LintOptions) -> Diagnostic:
    """The longest of the config's codes that fits decides: `LEN` for a group, `LEN604` for one of it."""
    fitting = [code for code in options.severities if one.code.startswith(code)]
    return replace(one, severity=Severity(options.severities[max(fitting, key=len)])) if fitting else one


def _ignored_here(one: Diagnostic, options: LintOptions) -> bool:
    return one.file is not None and any(
        one.code.startswith(codes) and (fnmatch(one.file, pattern) or fnmatch(Path(one.file).name, pattern))
        for pattern, codes in options.per_source_ignores.items()
    )


def _suppressed(one: Diagnostic, options: LintOptions) -> bool:
    return any(entry.code == one.code and entry.id in {one.id, one.row_id} for entry in options.suppress)


class _Reported(BaseModel):
    """A diagnostic of an earlier report; keys beyond these are for others."""

    code: str
    id: str | None = None
    file: str | None = None
    field: str | None = None
    kind: str | None = None


class _Baseline(BaseModel):
    model_config = ConfigDict(extra="ignore")

    diagnostics: list[_Reported]


def _fingerprint(one: Diagnostic | _Reported) -> tuple[str, ...]:
    """What makes a diagnostic the same one: the row and not its line, so that rows above it may come and go."""
    return one.code, one.id or f"file {one.file}", one.field or "", one.kind or ""


def _beyond(diagnostics: list[Diagnostic], known: Counter[tuple[str, ...]]) -> list[Diagnostic]:
    """Leaves out as many diagnostics of a fingerprint as the baseline has: a second address in the same text is new."""
    left = Counter(known)
    kept = []
    for one in diagnostics:
        key = _fingerprint(one)
        if left[key]:
            left[key] -= 1
        else:
            kept.append(one)
    return kept


def _read_baseline(path: Path) -> Counter[tuple[str, ...]]:
    require_file(path, "baseline")
    try:
        report = _Baseline.model_validate(read_json(path))
    except ValidationError as error:
        remedy = "Write one: prep lint DATASET --format json > baseline.json"
        raise UserError("the baseline is not a lint report", str(path), remedy) from error
    return Counter(_fingerprint(one) for one in report.diagnostics)
