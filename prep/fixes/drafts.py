"""Drafts: proposed fixes that a person looks through, corrects in one go, and accepts.

They live in one JSON Lines file. `prep fix edit` turns it into a table (CSV) and back; `prep fix apply` moves what was accepted into the
fix ledger.
"""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, model_validator

from loopwright.config import load_lines
from loopwright.errors import UserError, raise_all
from loopwright.files import write_atomic, write_json_lines
from prep.build.fix_ledger import KEEP, Fix, append_fixes, load_fixes
from prep.build.ledger_file import announced_ledger
from prep.config import locate_config
from prep.fixes.table_files import TABLES, Table, as_csv, of_csv, read_table, write_table

_COLUMNS = ("draft", "accept", "op", "row", "field", "now", "new", "reason", "text", "conflicts_with", "answered", "expected")
_OPS = ("edit", "relabel", "drop", KEEP)
_YES = frozenset({"yes", "y", "true", "1", "x"})
_NO = frozenset({"no", "n", "false", "0", ""})


class DraftedFinding(BaseModel):
    """A finding that a draft would mend, as a `keep` entry names it: not always of the row that the draft changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    row_id: str
    code: str
    before_hash: str


class FixDraft(Fix):
    """One proposed fix: an entry of the ledger to be, and what a person decides about it.

    A value of None in `after` is for a person to fill in. Where `op` is `keep`, the entries to be are of its findings.
    """

    model_config = ConfigDict(frozen=False)

    accept: bool = False
    """Whether `prep fix apply` takes it."""
    place: str = ""
    """`source:line` of the row, for people."""
    safe: bool = False
    """Whether it may be accepted without a look."""

    findings: tuple[DraftedFinding, ...] = ()
    """What it would mend."""

    text: str = ""
    """The row's fields, for people."""
    conflicts_with: str = ""
    """Likewise those of the rows that the finding holds against it."""
    answered: str = ""
    """What the model answered where it failed."""
    expected: str = ""
    """What it should have answered."""

    @model_validator(mode="after")
    def _says_what_is_kept(self) -> "FixDraft":
        # What it would have changed may stay: a person who wrote `keep` into its line may write another operation there again.
        if self.op == KEEP and not self.kept_findings:
            raise ValueError("'op' is 'keep', and the draft says of no finding which")
        return self

    def to_fix(self) -> Fix:
        """Returns the ledger's entry of a draft that changes something."""
        return Fix(**self.model_dump(include=set(Fix.model_fields)))

    def to_fixes(self) -> list[Fix]:
        """Returns the ledger's entries: one, but for a `keep`, which has one for each finding."""
        if self.op != KEEP:
            return [self.to_fix()]
        return [Fix(op=KEEP, **finding.model_dump(), reason=self.reason) for finding in self.kept_findings]

    @property
    def kept_findings(self) -> tuple[DraftedFinding, ...]:
        """The findings that a `keep` names; drafts of earlier versions say the rule that asked for them, and no more."""
        code = str(self.evidence.get("code", ""))
        if self.findings or not (code and self.row_id and self.before_hash):
            return self.findings
        return (DraftedFinding(row_id=self.row_id, code=code, before_hash=self.before_hash),)


def load_drafts(path: Path) -> list[FixDraft]:
    """Reads drafts.

    Raises:
        UserError: the file is missing or a line of it is no draft.
    """
    return load_lines(path, FixDraft, "Fix it, or make the drafts again: prep fix propose")


def save_drafts(path: Path, drafts: list[FixDraft]) -> None:
    """Writes drafts; they quote the corpus, so the file is private."""
    write_json_lines(path, [draft.model_dump() for draft in drafts], private=True)


def drafts_table(drafts: list[FixDraft]) -> list[list[str]]:
    """Returns the drafts as a table with its header, one line a field: set `accept`, correct `new`; the last four are to judge by."""
    table = [list(_COLUMNS)]
    for number, draft in enumerate(drafts, start=1):
        accept = "yes" if draft.accept else "no"
        for name in draft.after or [""]:
            now, new = draft.before.get(name) or "", draft.after.get(name) or ""
            shown = [draft.text, draft.conflicts_with, draft.answered, draft.expected]
            table.append([str(number), accept, draft.op, draft.place, name, now, new, draft.reason, *shown])
    return table


def drafts_to_csv(drafts: list[FixDraft]) -> str:
    """Returns the table as CSV."""
    return as_csv(drafts_table(drafts))


def drafts_from_csv(text: str, drafts: list[FixDraft], location: str) -> list[FixDraft]:
    """Returns the drafts with what a person changed in the table, as `take_back` does."""
    return take_back(of_csv(text), drafts, location)


def take_back(table: Table, drafts: list[FixDraft], location: str) -> list[FixDraft]:
    """Returns the drafts with what a person changed in the table: `accept`, `op`, `new` and `reason`.

    A line that was deleted is not accepted. A draft of several fields has several lines; changing one of them is enough.

    Args:
        table: as it came back.
        drafts: what the table was made of.
        location: the table's name, for messages.

    Raises:
        UserError: a line belongs to no draft or to no field of it, says neither yes nor no, or has an `op` that cannot be.
    """
    if not {"draft", "accept", "field", "new"} <= set(table.header):
        raise UserError("the table's header is not that of the drafts", f"{location}:1", f"It is: {', '.join(_COLUMNS)}.")
    changed = [draft.model_copy(update={"accept": False, "after": dict(draft.after)}) for draft in drafts]
    seen: set[int] = set()
    for line, row in table.rows:
        where = f"{location}:{line}"
        number = str(row["draft"]).strip()
        if not number.isdecimal() or not 1 <= int(number) <= len(changed):
            raise UserError(f"there is no draft {number or '(empty)'}", where, "Leave the first column as it is.")
        if row.get("row", drafts[int(number) - 1].place).strip() != drafts[int(number) - 1].place.strip():
            cause = f"draft {number} is of another row than the table says, '{row['row'][:60]}'"
            raise UserError(cause, where, "The drafts have changed since: write the table again, with --to-csv.")
        accept = str(row["accept"] or "").strip().lower()
        if accept not in _YES | _NO:
            raise UserError(f"'accept' is '{accept}'", where, "Write yes or no.")
        draft, before = changed[int(number) - 1], drafts[int(number) - 1]
        says_yes = accept in _YES
        is_first = int(number) not in seen
        seen.add(int(number))
        if is_first or says_yes != before.accept:
            draft.accept = says_yes
        name = row["field"] or ""
        if name and name not in draft.after:
            raise UserError(f"draft {number} has no field '{name}'", where, f"It has: {', '.join(draft.after) or 'none'}.")
        if name:  # an empty cell is an empty text only where there was one
            draft.after[name] = row["new"] or ("" if before.after[name] == "" else None)
        if (reason := row.get("reason", before.reason)) not in {"", before.reason}:
            draft.reason = reason
        if (op := row.get("op", before.op).strip().lower()) != before.op:
            _change_op(draft, op, where)
    return [_as_it_is_meant(draft, before) for draft, before in zip(changed, drafts, strict=True)]


def _as_it_is_meant(draft: FixDraft, before: FixDraft) -> FixDraft:
    """Returns a draft without what its new operation leaves no use for."""
    if draft.op == "drop":
        draft.after = {}
    if draft.op == KEEP != before.op:
        draft.accept = True  # 'no' to the fix that was drafted, and that is what a keep says
        if draft.reason == before.reason:
            draft.reason = f"looked at and kept; the draft was to {before.op}: {before.reason}"
    return draft


def _change_op(draft: FixDraft, op: str, where: str) -> None:
    """Makes another fix of a draft, as a person asks."""
    if op not in _OPS or draft.op == "add":
        remedy = "A new row can only be added, or not accepted." if draft.op == "add" else f"Write one of: {', '.join(_OPS)}."
        raise UserError(f"'op' is '{op}'", where, remedy)
    if op == KEEP and not draft.kept_findings:
        remedy = "Leave it as it is, and do not accept it."
        raise UserError("'op' is 'keep', and the draft says of no finding which", where, remedy)
    if op not in {"drop", KEEP} and not draft.after:
        raise UserError(
            f"'op' is '{op}', and the draft says of no field what to change", where, "Leave it as it is, or edit the row by hand."
        )
    draft.op = cast(Literal["edit", "relabel", "drop", "keep"], op)


def open_drafts(path: Path, encoding: str = "utf-8") -> tuple[Path, list[FixDraft]]:
    """Returns where drafts are kept, and the drafts; those that are named by their table are taken back from it first.

    Args:
        path: the drafts, or the table of them that `prep fix propose` wrote beside.
        encoding: the table's text encoding, where it has no mark.

    Raises:
        UserError: the file is missing, or cannot be read.
    """
    if path.suffix.lower() not in TABLES:
        return path, load_drafts(path)
    kept = path.with_suffix(".jsonl")
    return kept, take_back(read_table(path, encoding), load_drafts(kept), str(path))


def write_drafts(path: Path, drafts: list[FixDraft]) -> Path:
    """Writes drafts; where the path is that of a table (.csv, .xlsx), as this too, beside them.

    Returns:
        Where the drafts are kept.

    Raises:
        UserError: a file cannot be written.
    """
    if path.suffix.lower() not in TABLES:
        save_drafts(path, drafts)
        return path
    write_table(path, drafts_table(drafts))
    save_drafts(path.with_suffix(".jsonl"), drafts)
    return path.with_suffix(".jsonl")


def edit_in_editor(path: Path) -> list[FixDraft]:
    """Opens the drafts as a table in $VISUAL or $EDITOR and takes back what a person changed.

    Raises:
        UserError: there is no editor, it fails, or the table no longer reads; then what was written is kept beside the drafts.
    """
    drafts = load_drafts(path)
    kept = path.with_suffix(".edited.csv")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise UserError("neither $VISUAL nor $EDITOR is set", remedy="Set one, or use --to-csv FILE, edit that, and --from-csv FILE.")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "drafts.csv"
        write_table(table, drafts_table(drafts))
        try:
            subprocess.run([*shlex.split(editor), str(table)], check=True)  # noqa: S603 (the user's own editor)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UserError(f"the editor '{editor}' failed: {error}", remedy="The drafts are as they were.") from error
        try:
            changed = take_back(read_table(table), drafts, str(kept))
        except UserError as error:
            write_atomic(kept, table.read_bytes(), private=True)  # forty corrected rows are not lost to a slip in one of them
            remedy = f"{error.remedy or ''} Fix it there, then: prep fix edit {path} --from-csv {kept}"
            raise UserError(error.cause, error.location, remedy.strip()) from error
    save_drafts(path, changed)
    return changed


def apply_drafts(path: Path, config_path: Path, *, safe: bool = False, encoding: str = "utf-8") -> list[Fix]:
    """Moves accepted drafts into the fix ledger of a config; the drafts that were not accepted stay.

    Args:
        path: the drafts, or the table of them that was written beside.
        config_path: the build config, which names the ledger.
        safe: take the safe ones too, accepted or not.
        encoding: the table's text encoding, where it has no mark.

    Returns:
        The new entries.

    Raises:
        UserError: an accepted draft lacks a value or changes nothing; all such drafts together. Nothing is written then.
    """
    given = path
    path, drafts = open_drafts(given, encoding)
    ledger = announced_ledger(locate_config(config_path))
    known = {fix.model_dump_json() for fix in load_fixes(ledger)}
    accepted = [draft.accept or (safe and draft.safe and draft.op != KEEP) for draft in drafts]
    changed = {draft.row_id: number for number, draft in enumerate(drafts, 1) if accepted[number - 1] and draft.op != KEEP}
    taken: list[Fix] = []
    errors: list[UserError] = []
    for number, draft in enumerate(drafts, start=1):
        if not accepted[number - 1]:
            continue
        if (error := _why_not(draft, f"{path}:{number}", changed)) is not None:
            errors.append(error)
        taken += [] if error is not None else [fix for fix in draft.to_fixes() if fix.model_dump_json() not in known]
    raise_all(errors)
    if taken:
        append_fixes(ledger, taken)
    # A table too: its numbers are those of the drafts that are left.
    write_drafts(given, [draft for draft, is_accepted in zip(drafts, accepted, strict=True) if not is_accepted])
    return taken


def _why_not(draft: FixDraft, where: str, changed: Mapping[str, int]) -> UserError | None:
    """Returns what is wrong with an accepted draft, given the drafts that change rows; None where nothing is."""
    if draft.op == KEEP:
        other = next((changed[one.row_id] for one in draft.kept_findings if one.row_id in changed), None)
        if other is None:
            return None
        # It would be stale with the next build, and the finding back.
        cause = f"the draft for {draft.place} keeps a row that draft {other} changes"
        return UserError(cause, where, "Accept one of the two; keep what lint still finds after the next build.")
    missing = [name for name, value in draft.after.items() if value is None]
    if missing:
        return UserError(f"the draft for {draft.place or 'a new row'} has no value for '{missing[0]}'", where, "Fill it in: prep fix edit")
    if draft.op != "drop" and draft.after == {name: draft.before.get(name) for name in draft.after}:
        return UserError(f"the draft for {draft.place} changes nothing", where, "Change its value, or do not accept it.")
    return None
