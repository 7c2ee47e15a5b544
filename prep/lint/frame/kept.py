"""Findings that a person looked at and kept: the `keep` entries of the fix ledger, held against the rows as they are now."""

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from prep.build.fix_ledger import FAILURES_CODE, KEEP, load_fixes, row_hash
from prep.build.ledger_file import ledger_of_dataset
from prep.dataset.manifest import Dataset
from prep.lint.base.note import Note, NoteKind
from prep.lint.base.rule import RULES

Entry = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """The `keep` entries of a dataset's ledger.

    Attributes:
        ledger: the ledger; None where there is none, or its config is not at hand.
        holding: row id and code of the entries whose row is as it was.
        stale: line, row id and code of those whose row has changed or is gone: what they kept is shown again.
        unknown: likewise of those whose code is that of no rule.
    """

    ledger: Path | None = None
    holding: frozenset[tuple[str, str]] = frozenset()
    stale: tuple[Entry, ...] = ()
    unknown: tuple[Entry, ...] = ()

    def holds(self, row_id: str | None, code: str) -> bool:
        """Says whether a finding is kept."""
        return (row_id, code) in self.holding

    @property
    def notes(self) -> list[Note]:
        """What is said of entries that keep nothing: nobody would see it otherwise."""
        changed = "What they kept is shown again where it is found: judge it anew, and take them out of the ledger."
        nameless = "Mend the code, or load the plug-in that has the rule: --config."
        return [
            Note(
                NoteKind.STALE,
                f"{len(entries):,} 'keep' {why}, first on line {entries[0][0]} ({entries[0][2]} of row {entries[0][1]})",
                str(self.ledger),
                remedy,
            )
            for entries, why, remedy in ((self.stale, "whose row has changed", changed), (self.unknown, "of no rule", nameless))
            if entries
        ]


def read_kept(dataset: Dataset, config_path: Path | None = None) -> Kept:
    """Returns what people kept of a dataset's findings.

    Args:
        dataset: the dataset.
        config_path: its config, where it is named; default: the one beside it.

    Raises:
        UserError: the ledger or the dataset cannot be read.
    """
    ledger = ledger_of_dataset(dataset.path, dataset.manifest, config_path)
    fixes = [] if ledger is None else load_fixes(ledger)
    entries = [(line, fix) for line, fix in enumerate(fixes, start=1) if fix.op == KEEP]
    if not entries:
        return Kept(ledger)
    hashes = _hashes(dataset, {fix.row_id for _, fix in entries})
    holding = frozenset((fix.row_id, fix.code) for _, fix in entries if hashes.get(fix.row_id) == fix.before_hash)
    stale = [(line, fix.row_id, fix.code) for line, fix in entries if (fix.row_id, fix.code) not in holding]
    unknown = [(line, fix.row_id, fix.code) for line, fix in entries if fix.code not in {*RULES.entries, FAILURES_CODE}]
    return Kept(ledger, holding, tuple(stale), tuple(unknown))


def _hashes(dataset: Dataset, row_ids: set[str]) -> dict[str, str]:
    """Returns each row's hash by its id: of the fields of all its examples, as drafts have it."""
    fields: dict[str, dict[str, str | None]] = {}
    frame = dataset.examples().filter(pl.col("row_id").is_in(list(row_ids))).select("row_id", "fields").collect()
    for row_id, content in frame.iter_rows():
        fields.setdefault(row_id, {}).update(json.loads(content or "{}"))
    return {row_id: row_hash(one) for row_id, one in fields.items()}
