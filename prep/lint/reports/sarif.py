"""The report as SARIF 2.1.0, the OASIS standard for the results of static analysis.

Sources: OASIS, SARIF 2.1.0 with errata 01 (2023); for the limits, GitHub's "SARIF support for code scanning".
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import loopwright
from loopwright.hashing import hash_text
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.documentation import HEADINGS, rule_page, rule_sections, rule_summary
from prep.lint.base.excerpts import Excerpts, place_of
from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport
from prep.lint.base.rule import RULES, Rule
from prep.lint.reports.groups import group_of, groups_of

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAX_RESULTS = 25_000
"""GitHub refuses a run with more results."""

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_ROOT = "%SRCROOT%"

Json: TypeAlias = dict[str, Any]


def as_sarif(report: LintReport, excerpts: Excerpts | None = None, *, root: Path | None = None) -> Json:
    """Returns the report as a SARIF log.

    The results come worst first, at most 25,000 of them; a notification says how many more there are. A span lies in a field's text, not
    in the file's, so that a region is the row's line, and the result's properties have field and span.

    Args:
        report: what was found.
        excerpts: the text that findings point at, as snippets.
        root: the folder that file names are relative to; default: the working directory.
    """
    rules = [RULES.get(code) for code in sorted(RULES.entries)]
    indexes = {rule.code: index for index, rule in enumerate(rules)}
    marked = zip(report.diagnostics, _fingerprints(report.diagnostics), strict=True)
    worst_first = sorted(marked, key=lambda pair: -pair[0].severity.rank)[:MAX_RESULTS]
    driver = {
        "name": "prep lint",
        "version": loopwright.__version__,
        "semanticVersion": loopwright.__version__,
        "rules": [_rule(rule) for rule in rules],
    }
    base = (root or Path.cwd()).absolute()
    results = [_result(one, indexes[one.code], mark, _location(one, base, report.path, excerpts or {})) for one, mark in worst_first]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The folder that lint was run in."}}},
        "invocations": [_invocation(report, indexes)],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: type[Rule]) -> Json:
    sections = rule_sections(rule)
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule_summary(rule)},
        "fullDescription": {"text": " ".join(sections.get(HEADINGS[0], rule_summary(rule)).split())},
        "help": {"text": rule_page(rule), "markdown": rule_page(rule)},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": ["data", groups_of([rule.code])[group_of(rule.code)].name]},
    }


def _result(one: Diagnostic, rule_index: int, fingerprint: str, location: Json) -> Json:
    known = {
        "id": one.id,
        "field": one.field,
        "span": list(one.span) if one.span else None,
        "kind": one.kind,
        "related": list(one.related) or None,
    }
    result: Json = {
        "ruleId": one.code,
        "ruleIndex": rule_index,
        "level": _LEVELS[one.severity],
        "message": {"text": f"{one.message}. {one.remedy}"},
        "locations": [location],
        # GitHub matches alerts by the second key alone.
        "partialFingerprints": {"rowCodeField/v1": fingerprint, "primaryLocationLineHash": f"{fingerprint}:1"},
        "properties": {name: value for name, value in known.items() if value is not None},
    }
    if one.score is not None:
        result["rank"] = round(100 * one.score, 4)
    return result


def _location(one: Diagnostic, root: Path, linted: Path, excerpts: Excerpts) -> Json:
    physical: Json = {"artifactLocation": _artifact(Path(one.file) if one.file is not None else linted, root)}
    if one.file is not None and one.line is not None and one.line > 0:
        physical["region"] = {"startLine": one.line}
        excerpt = excerpts.get(place_of(one))
        if excerpt is not None and excerpt.marked:
            physical["region"]["snippet"] = {"text": excerpt.marked}
            physical["contextRegion"] = {
                "startLine": one.line,
                "snippet": {"text": excerpt.before + excerpt.marked + excerpt.after},
            }
    location: Json = {"physicalLocation": physical}
    if one.field is not None:
        name = one.field if one.id is None else f"{one.id}/{one.field}"
        location["logicalLocations"] = [{"name": one.field, "fullyQualifiedName": name, "kind": "property"}]
    return location


def _artifact(path: Path, root: Path) -> Json:
    """Returns where a file is: relative to the root where it is under it, so that the log means the same on another machine."""
    absolute = path if path.is_absolute() else root / path
    if absolute.is_relative_to(root):
        return {"uri": quote(absolute.relative_to(root).as_posix(), errors="surrogateescape"), "uriBaseId": _ROOT}
    return {"uri": f"file://{quote(absolute.as_posix(), errors='surrogateescape')}"}


def _fingerprints(diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    """Yields the fingerprint of each diagnostic: of row, code, field, and the how many-eth of these it is.

    The row's id is made of its content, so a finding keeps its identity when its row moves.
    """
    seen: Counter[str] = Counter()
    for one in diagnostics:
        key = hash_text(one.id or one.file, one.code, one.field, None if one.id else one.message)
        yield key if not seen[key] else hash_text(key, str(seen[key]))
        seen[key] += 1


def _invocation(report: LintReport, indexes: dict[str, int]) -> Json:
    notifications: list[Json] = [
        {
            "level": "note",
            "message": {"text": f"{skipped.code} {'ran only in part' if skipped.partly else 'did not run'}: {skipped.reason}."},
            "associatedRule": {"id": skipped.code, "index": indexes[skipped.code]},
        }
        for skipped in report.skipped
    ]
    if len(report.diagnostics) > MAX_RESULTS:
        left_out = len(report.diagnostics) - MAX_RESULTS
        notifications.append({"level": "warning", "message": {"text": f"{left_out:,} less severe findings are left out."}})
    return {"executionSuccessful": True, "toolConfigurationNotifications": notifications}
