"""The fix ledger: what people changed, replayed at each build.

An entry names its row by `row_id`, stores the old values of only the fields that it touches, and applies where they match; otherwise it
is stale and is reported, never applied by force. A `keep` entry changes nothing: it says that a person looked at a finding of lint.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from loopwright.config import load_lines
from loopwright.files import write_json_lines
from loopwright.hashing import hash_text
from prep.sources.rows import ID_CHARACTERS, META_COLUMNS, ROW_ID, SOURCE, SPLIT, base_id
from prep.sources.source import LINE, to_text
from prep.sources.source_config import FieldName

Fields = dict[FieldName, str | None]

KEEP: Literal["keep"] = "keep"
FAILURES_CODE = "failures"
"""Stands in the place of a rule's code where a `keep` is of what failed predictions say of a row."""


class Fix(BaseModel):
    """One entry of the ledger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    op: Literal["edit", "drop", "relabel", "add", "keep"]
    """What happens to the row."""
    row_id: str = ""
    """The row; empty for `add`."""
    code: str = ""
    """Of `keep` alone: the rule whose finding in the row a person looked at, or `failures`."""
    before: Fields = {}
    """Old values of the fields that it touches; it applies only where they match."""
    after: Fields = {}
    """New values; for `add`, all fields of the new row."""
    before_hash: str = ""
    """Hash of the whole row as it was when the fix was made."""
    scope: Literal["all", "one"] = "all"
    """Whether an edit or relabel reaches all copies of the row."""
    reason: str = Field(min_length=1)
    """Why, for people."""
    evidence: dict[str, Any] = {}
    """What showed it: a diagnostic, a failure."""

    @model_validator(mode="after")
    def _says_what_is_kept(self) -> "Fix":
        if self.op == KEEP and not (self.row_id and self.code and self.before_hash):
            raise ValueError("'keep' needs 'row_id', 'code' and 'before_hash'")
        if self.op == KEEP and (self.before or self.after):
            raise ValueError("'keep' changes nothing: leave 'before' and 'after' out")
        if self.op != KEEP and self.code:
            raise ValueError(f"'code' is of 'keep' alone, and this is '{self.op}'")
        return self


@dataclass(frozen=True, slots=True)
class StaleFix:
    """An entry that no longer fits its row, shown three ways.

    Attributes:
        line: its line in the ledger.
        row_id: the row that it names.
        then: values when the fix was made.
        now: values now; None where the row is gone.
        proposed: values that it would set.
        moves_to: the one row that now carries the old values, if exactly one does.
    """

    line: int
    row_id: str
    then: Fields
    now: Fields | None
    proposed: Fields
    moves_to: str | None


@dataclass(frozen=True, slots=True)
class FixOutcome:
    """What replaying the ledger came to.

    Attributes:
        touched: base ids of the rows that entries name.
        edited: those rows as they are afterwards, without the dropped ones.
        added: the rows that entries add.
        dropped: (source, line, row id, reason) of each row that an entry dropped.
        num_applied: entries that took effect; `keep` changes nothing.
        stale: entries that did not fit.
    """

    touched: frozenset[str]
    edited: pl.DataFrame
    added: pl.DataFrame
    dropped: list[tuple[str, int, str, str]]
    num_applied: int
    stale: list[StaleFix]

    def patch(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Returns rows with the edited ones in their places and without the dropped ones."""
        if not self.touched:
            return frame
        order = "#order"
        numbered = frame.with_row_index(order)
        is_touched = _has_base_id(self.touched)
        places = numbered.filter(is_touched).select(order, ROW_ID)
        if places.is_empty():
            return frame
        edited = self.edited.join(places, on=ROW_ID, how="inner").select(numbered.columns)
        return pl.concat([numbered.filter(~is_touched), edited]).sort(order).drop(order).rechunk()


def load_fixes(path: Path) -> list[Fix]:
    """Reads a ledger; a file that does not exist is an empty one.

    Raises:
        UserError: a line is not an entry; all such lines together. Or the ledger is no file.
    """
    return load_lines(path, Fix, "Fix or remove that entry.") if path.exists() else []


def append_fixes(path: Path, fixes: list[Fix]) -> None:
    """Adds entries to a ledger, in one step; it holds corpus text, so it is private."""
    rows = [fix.model_dump(exclude_defaults=True) for fix in [*load_fixes(path), *fixes]]
    write_json_lines(path, rows, private=True)


def row_hash(fields: Mapping[str, str | None]) -> str:
    """Returns the hash of a row's fields, whatever their order."""
    return hash_text(json.dumps(fields, sort_keys=True, ensure_ascii=False))


def replay_fixes(frame: pl.LazyFrame, fixes: list[Fix], ledger_name: str) -> FixOutcome:
    """Replays a ledger over rows, in its order.

    Args:
        frame: rows with `META_COLUMNS` and one text column a field, those that the ledger names among them.
        fixes: the entries.
        ledger_name: the ledger's name, which is the source of added rows.
    """
    schema = frame.collect_schema()
    names = [name for name in schema if name not in META_COLUMNS]
    changes = [(line, fix) for line, fix in enumerate(fixes, start=1) if fix.op != KEEP]
    touched = frozenset(base_id(fix.row_id) for _, fix in changes if fix.op != "add")
    rows = {row[ROW_ID]: row for row in frame.filter(_has_base_id(touched)).collect().iter_rows(named=True)} if touched else {}
    added: list[dict[str, Any]] = []
    dropped: list[tuple[str, int, str, str]] = []
    stale: list[StaleFix] = []
    for line, fix in changes:
        if fix.op == "add":
            added.append(_new_row(fix, line, ledger_name, names, added))
        elif targets := [row for row in _targets(fix, rows) if all(row.get(key) == value for key, value in fix.before.items())]:
            for row in targets:
                if fix.op == "drop":
                    dropped.append((row[SOURCE], row[LINE], row[ROW_ID], fix.reason))
                    del rows[row[ROW_ID]]
                else:
                    row.update({key: to_text(value) for key, value in fix.after.items()})
        else:
            stale.append(_stale(fix, line, rows, frame))
    edited = pl.DataFrame(list(rows.values()), schema=schema)
    return FixOutcome(touched, edited, pl.DataFrame(added, schema=schema), dropped, len(changes) - len(stale), stale)


def _has_base_id(ids: frozenset[str]) -> pl.Expr:
    return pl.col(ROW_ID).str.head(ID_CHARACTERS).is_in(list(ids))


def _targets(fix: Fix, rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    if fix.op == "drop" or fix.scope == "one":
        return [rows[fix.row_id]] if fix.row_id in rows else []
    return [row for row_id, row in rows.items() if base_id(row_id) == base_id(fix.row_id)]


def _new_row(fix: Fix, line: int, ledger_name: str, names: list[str], added: list[dict[str, Any]]) -> dict[str, Any]:
    fields = {name: fix.after.get(name) for name in names} | fix.after
    row_id = hash_text("add", row_hash(fix.after))
    copies = sum(base_id(row[ROW_ID]) == row_id for row in added)
    row_id += f"-{copies + 1}" if copies else ""
    # For training, whatever an evaluation row says: what people add is never held out.
    return {**dict.fromkeys(META_COLUMNS), ROW_ID: row_id, SOURCE: ledger_name, LINE: line, SPLIT: "train", **fields}


def _stale(fix: Fix, line: int, rows: dict[str, dict[str, Any]], frame: pl.LazyFrame) -> StaleFix:
    row = rows.get(fix.row_id)
    now = None if row is None else {key: row.get(key) for key in fix.before}
    moves_to = None
    known = set(frame.collect_schema().names())
    if fix.before and set(fix.before) <= known:
        same = [pl.col(key).eq_missing(pl.lit(value)) for key, value in fix.before.items()]
        found = frame.filter(*same).select(ROW_ID).head(2).collect()[ROW_ID].to_list()
        moves_to = found[0] if len(found) == 1 else None
    return StaleFix(line, fix.row_id, dict(fix.before), now, dict(fix.after), moves_to)
