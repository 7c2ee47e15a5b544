"""`prep lint FILE --fix --fix-to CLEAN.jsonl`: the safe fixes of a training file that no build wrote, made in a copy of it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loopwright.errors import UserError
from loopwright.files import PRIVATE_MODE, atomic_file, require_file
from loopwright.hashing import hash_text
from prep.build.fix_ledger import Fix
from prep.fixes.fixing import MAX_ROUNDS, PlannedFix
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.finding import Finding
from prep.lint.base.report import LintReport
from prep.lint.base.rule import RULES
from prep.lint.base.subject import Subject
from prep.lint.frame.foreign import FileReading, Read, read_pairs
from prep.lint.options import LintOptions
from prep.lint.run import lint
from prep.sources.message_keys import TOOL_KEYS
from prep.sources.shapes.messages import are_turns
from prep.sources.source import to_text
from prep.sources.strict_json import JsonRecord

Findings = dict[str, list[Diagnostic]]

_SPLIT = "train"  # of which lint takes a file's rows to be


@dataclass(frozen=True, slots=True)
class FileFixes:
    """What fixing a file came to.

    Attributes:
        fixes: those that were made, in order.
        num_written: the copy's records.
        unreadable: `file:line` of what could not be read, and so is not in the copy.
        report: what is left.
    """

    fixes: tuple[PlannedFix, ...]
    num_written: int
    unreadable: tuple[str, ...]
    report: LintReport


def next_file_fixes(path: Path, options: LintOptions) -> list[PlannedFix]:
    """Returns the fixes that `fix_file` would make in its first round.

    Raises:
        UserError: the file cannot be read.
    """
    findings = _findings(path, options, path)
    return [one for _, _, fixes in _fixed_records(path, options.encoding, findings) for one in fixes]


def fix_file(path: Path, fix_to: Path, options: LintOptions) -> FileFixes:
    """Makes the safe fixes of a training file in a copy, round by round: a text that was repaired may show a duplicate.

    The copy is JSON Lines, with the records in their order; what nobody can read is not in it. The file itself is never touched.

    Args:
        path: the file.
        fix_to: the copy.
        options: what to look for.

    Raises:
        UserError: the file cannot be read, the copy cannot be written, or would take the file's place.
    """
    require_file(path)
    if fix_to.exists() and path.samefile(fix_to):
        raise UserError("the copy would take the place of the file", str(fix_to), "Name another file with --fix-to.")
    made: list[PlannedFix] = []
    unreadable: list[str] = []
    with TemporaryDirectory(prefix="loopwright-fix-") as name, atomic_file(fix_to, private=True) as copy:
        current = path
        for number in range(MAX_ROUNDS):
            following = Path(name) / f"{number}.jsonl"
            fixes = _write(current, following, options.encoding, _findings(current, options, path), unreadable)
            made += fixes
            current, options = following, replace(options, encoding="utf-8")
            if not fixes or not following.stat().st_size:
                break
        content = current.read_bytes()
        if not content:
            raise UserError("nothing is left of the file", str(path), "Look at it with: prep lint, without --fix-to.")
        copy.write_bytes(content)
    report = lint(fix_to, options=options)
    return FileFixes(tuple(made), content.count(b"\n"), tuple(unreadable), report)


def _write(path: Path, out: Path, encoding: str, findings: Findings, unreadable: list[str]) -> list[PlannedFix]:
    """Writes the records of a file with their fixes, notes what cannot be read, and returns the fixes."""
    made: list[PlannedFix] = []
    out.touch(mode=PRIVATE_MODE)
    with out.open("w", encoding="utf-8", newline="\n") as file:
        for place, record, fixes in _fixed_records(path, encoding, findings):
            made += fixes
            if record is None:
                unreadable.append(place)
            elif not any(one.fix.op == "drop" for one in fixes):
                file.write(f"{to_text(record)}\n")
    return made


def _findings(path: Path, options: LintOptions, name: Path) -> Findings:
    """Returns the findings that a rule mends in any file, by the id of their record."""
    report = lint(path, options=replace(options, excerpts=False, page=False, scores=None), names={path: str(name)})
    found: Findings = {}
    for one in report.diagnostics:
        if one.id and RULES.get(one.code).fixes_files:
            found.setdefault(one.id, []).append(one)
    return found


def _fixed_records(path: Path, encoding: str, findings: Findings) -> Iterator[tuple[str, dict[str, Any] | None, list[PlannedFix]]]:
    """Yields the place of each record, the record with its fixes, and these; no record where none can be read."""
    copies: Counter[str] = Counter()
    for item, parsed in read_pairs(path, str(path), FileReading(encoding=encoding)):
        place = f"{path}:{item.line}"
        if not isinstance(item, JsonRecord) or not isinstance(item.value, dict):
            if not isinstance(item, JsonRecord) and item.severity == "info":
                continue  # a remark on the file
            yield place, None, []
            continue
        record, made = _as_it_stands(item), []
        if isinstance(parsed, Read):
            row_id = hash_text(_SPLIT, parsed.canonical)  # as lint names its rows
            copies[row_id] += 1
            example_id = row_id if copies[row_id] == 1 else f"{row_id}-{copies[row_id]}"
            made = list(_fix(record, findings.get(example_id, []), place, example_id))
        yield place, record, made


def _fix(record: dict[str, Any], findings: list[Diagnostic], place: str, row_id: str) -> Iterator[PlannedFix]:
    """Makes the fixes of a record in it."""
    for one in findings:
        finding = Finding(**{name: getattr(one, name) for name in ("message", "id", "row_id", "field", "span", "kind")})
        draft = RULES.get(one.code)().draft(finding, Subject({}, record, None))
        if draft is None or not draft.safe:
            continue
        after = draft.fields or {}
        before = {name: to_text(record.get(name)) for name in (record if draft.op == "drop" else after)}
        entry = {"op": draft.op, "row_id": row_id, "before": before, "after": {name: to_text(value) for name, value in after.items()}}
        yield PlannedFix(one.code, place, Fix(**entry, reason=draft.reason, evidence={"code": one.code}), safe=True)
        record.update(after)


def _as_it_stands(item: JsonRecord) -> dict[str, Any]:
    """Returns a record as its copy has it: a table's text stays text, whatever it looks like, but for lists of messages and tools."""
    value: dict[str, Any] = item.value
    if item.texts is None:
        return dict(value)
    lists = {name for name, one in value.items() if are_turns(one) or (name in TOOL_KEYS and isinstance(one, list))}
    return {name: value[name] if name in lists else text for name, text in item.texts.items()}
