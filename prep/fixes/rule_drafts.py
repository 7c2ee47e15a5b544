"""From findings to fix drafts: which raw row, which mapped field, and what to put there."""

import json
from typing import Any

import polars as pl

from prep.dataset.manifest import Dataset
from prep.lint.base.answers import answer_field
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.finding import Finding
from prep.lint.base.report import LintReport
from prep.lint.base.rule import RULES
from prep.lint.base.subject import Draft, Subject


def make_drafts(report: LintReport) -> list[dict[str, Any]]:
    """Returns the fixes that rules propose for a built dataset's diagnostics; foreign files have no fix ledger and get none.

    Each is `{"op", "row_id", "id", "code", "fields", "reason", "evidence": {"code", "message", "related"}, "safe", "findings"}`, one a raw
    row, code and operation; `findings` are the ids of the rows whose findings ask for it.

    Raises:
        UserError: the dataset cannot be read.
    """
    if not report.built:
        return []
    dataset = Dataset.open(report.path)
    wanted = {diagnostic.id for diagnostic in report.diagnostics if diagnostic.id}
    wanted |= {related for diagnostic in report.diagnostics for related in diagnostic.related}
    found = dataset.examples().filter(pl.col("id").is_in(list(wanted))).collect()
    rows = {row["id"]: {**row, "seed": dataset.manifest.seed} for row in found.iter_rows(named=True)}
    drafts: dict[tuple[Any, ...], dict[str, Any]] = {}
    for diagnostic in report.diagnostics:
        row = rows.get(diagnostic.id or "")
        if row is None:
            continue
        fields = json.loads(row["fields"] or "{}")
        related = [rows[one] for one in diagnostic.related if one in rows]
        subject = Subject(row, fields, answer_field(row, fields, dataset.manifest), related)
        names = ("message", "id", "row_id", "field", "span", "kind")
        finding = Finding(**{name: getattr(diagnostic, name) for name in names})
        draft = RULES.get(diagnostic.code)().draft(finding, subject)
        if draft is not None:
            entry = _entry(draft, diagnostic)
            key = (entry["op"], entry["row_id"], entry["code"], json.dumps(entry["fields"], sort_keys=True))
            findings = drafts.setdefault(key, entry)["findings"]
            findings += [row["row_id"]] if row["row_id"] not in findings else []
    return list(drafts.values())


def _entry(draft: Draft, diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "op": draft.op,
        "row_id": draft.row_id or diagnostic.row_id,
        "id": draft.id or diagnostic.id,
        "code": diagnostic.code,
        "fields": draft.fields,
        "reason": draft.reason,
        "evidence": {"code": diagnostic.code, "message": diagnostic.message, "related": list(diagnostic.related)},
        "safe": draft.safe,
        "findings": [],
    }
