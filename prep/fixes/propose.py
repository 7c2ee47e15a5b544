"""Proposes fixes: from lint's diagnostics, and from what a model got wrong.

A model's failure never changes an evaluation row and never copies one into training. It points at the nearest training rows, which may
be wrong, or asks for new ones.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from loopwright.config import load_lines
from prep.build.fix_ledger import FAILURES_CODE, Fields, row_hash
from prep.dataset.manifest import Dataset
from prep.dataset.plugins import dataset_plugins
from prep.fixes.drafts import DraftedFinding, FixDraft
from prep.fixes.rule_drafts import make_drafts
from prep.lint.base.answers import answer_field
from prep.lint.base.rule import RULES
from prep.lint.frame.kept import read_kept
from prep.lint.run import LintOptions, LintReport, lint

# Below it, two short texts share little but function words (TF-IDF cosine, as `evals run` writes it).
_NEAR = 0.35
_MAX_REPAIRS_A_FAILURE = 2
_MAX_SHOWN = 3  # of the rows that a finding holds against one
_SHOWN_CHARACTERS = 1_000


class _Neighbour(BaseModel):
    """A training row near a failure, as an evaluation writes it; keys beyond these are for others."""

    row_id: str
    similarity: float
    same_answer: bool


class _Failure(BaseModel):
    """A line of `failures.jsonl`."""

    id: str
    row_id: str
    reference: str
    prediction: str | None = None
    neighbours: list[_Neighbour]


@dataclass(slots=True)
class _Suspect:
    """A training row that failures point at."""

    answers: Counter[str] = field(default_factory=Counter)
    predictions: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    similarity: float = 0.0


def propose(
    dataset_path: Path,
    *,
    failures_path: Path | None = None,
    model: str | None = None,
    report: LintReport | None = None,
    config_path: Path | None = None,
) -> list[FixDraft]:
    """Drafts fixes for a dataset.

    Args:
        dataset_path: the dataset.
        failures_path: `failures.jsonl` of an evaluation on its validation split, if there is one.
        model: a model whose tokenizer lint's token rules use.
        report: lint's report, where it is made already.
        config_path: the dataset's config, as `lint` takes it.

    Raises:
        UserError: the dataset or the failures cannot be read.
    """
    dataset = Dataset.open(dataset_path)
    rows = _rows(dataset)
    with dataset_plugins(dataset_path, config_path):
        drafts = _from_report(report or lint(dataset_path, options=LintOptions(model=model), config_path=config_path), rows)
        kept = read_kept(dataset, config_path)
    if failures_path is not None:
        failures = load_lines(failures_path, _Failure, "Give the failures.jsonl of an evaluation.")
        drafts += [draft for draft in _from_failures(failures, rows, dataset) if not kept.holds(draft.row_id, FAILURES_CODE)]
    return _without_repeats(drafts)


def config_changes(report: LintReport) -> list[tuple[str, str]]:
    """Returns code and remedy of findings that no row edit fixes, but a change of the config does: shares of the whole, unknown labels."""
    of_none = (one for one in report.diagnostics if one.row_id is None and one.remedy != RULES.get(one.code).remedy)
    return list(dict.fromkeys((one.code, one.remedy) for one in of_none))


def drafts_from_lint(report: LintReport) -> list[FixDraft]:
    """Drafts the fixes that rules propose for a built dataset's report, the first of each row, operation and set of fields.

    Raises:
        UserError: the dataset cannot be read.
    """
    return _without_repeats(_from_report(report, _rows(Dataset.open(report.path))))


def _from_report(report: LintReport, rows: dict[str, dict[str, Any]]) -> list[FixDraft]:
    return [_from_lint(draft, rows) for draft in make_drafts(report) if draft["row_id"] in rows]


def _rows(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Returns each row's first example by row id, with the fields of all its examples."""
    rows: dict[str, dict[str, Any]] = {}
    columns = ("row_id", "source", "line", "split", "template", "label", "choices", "fields", "messages", "chosen", "target", "text")
    for row in dataset.examples().select(columns).collect().iter_rows(named=True):
        known = rows.setdefault(row["row_id"], {**row, "fields": {}})
        known["fields"] |= json.loads(row["fields"])
    return rows


def _from_lint(draft: dict[str, Any], rows: dict[str, dict[str, Any]]) -> FixDraft:
    row = rows[draft["row_id"]]
    fields: Fields = row["fields"]
    after: Fields = draft["fields"] or {}
    others = dict.fromkeys(one.partition("/")[0] for one in draft["evidence"]["related"])
    related = [rows[one] for one in others if one in rows and one != draft["row_id"]]
    before = fields if draft["op"] == "drop" else {name: fields.get(name) for name in after}
    return FixDraft(
        op=draft["op"],
        row_id=draft["row_id"],
        place=_place(row),
        before=before,
        after=after,
        before_hash=row_hash(fields),
        reason=draft["reason"],
        evidence=draft["evidence"],
        safe=draft["safe"],
        accept=draft["safe"],
        text=_shown(row),
        # Of an evaluation row the place alone: what it says has no place in a draft that may end in training.
        findings=tuple(_finding(one, draft["code"], rows) for one in draft["findings"]),
        conflicts_with="\n\n".join(_place(one) + (f"\n{_shown(one)}" if one["split"] == "train" else "") for one in related[:_MAX_SHOWN]),
    )


def _finding(row_id: str, code: str, rows: dict[str, dict[str, Any]]) -> DraftedFinding:
    return DraftedFinding(row_id=row_id, code=code, before_hash=row_hash(rows[row_id]["fields"]))


def _from_failures(failures: list[_Failure], rows: dict[str, dict[str, Any]], dataset: Dataset) -> list[FixDraft]:
    """Repairs of training rows that taught the wrong answer; where none is near, a request for a new row."""
    suspects: dict[str, _Suspect] = {}
    drafts: list[FixDraft] = []
    for failure in failures:
        near = [one for one in failure.neighbours if one.row_id in rows and one.similarity >= _NEAR]
        misleading = [one for one in near if not one.same_answer]
        for one in misleading[:_MAX_REPAIRS_A_FAILURE]:
            suspect = suspects.setdefault(one.row_id, _Suspect())
            suspect.answers[failure.reference] += 1
            suspect.predictions[failure.prediction or ""] += 1
            suspect.failures.append(failure.id)
            suspect.similarity = max(suspect.similarity, one.similarity)
        if not misleading and failure.row_id in rows:
            drafts.append(_request(failure, rows[failure.row_id], num_near=len(near)))
    repairs = [_repair(row_id, suspect, rows[row_id], dataset) for row_id, suspect in suspects.items() if rows[row_id]["split"] == "train"]
    return [*sorted(repairs, key=lambda draft: -len(draft.evidence["failures"])), *drafts]


def _repair(row_id: str, suspect: _Suspect, row: dict[str, Any], dataset: Dataset) -> FixDraft:
    fields: Fields = row["fields"]
    # An evaluation asks for one of the choices where there are some, whatever pair stands beside them.
    asked = {**row, "messages": None, "chosen": None} if row["choices"] and row["chosen"] is not None else row
    name = answer_field(asked, fields, dataset.manifest) or list(fields)[-1]
    proposed: str | None = None
    if row["choices"]:  # a label can be proposed; an answer in words is for a person to write
        words = dataset.manifest.template(row["template"]).trained_words
        word = suspect.answers.most_common(1)[0][0]
        proposed = next((key for key, value in words.items() if value == word), None)
    reason = (
        f"nearest to {len(suspect.failures)} failed validation rows (similarity up to {suspect.similarity:.2f}) with another answer; "
        "is its answer right?"
    )
    return FixDraft(
        op="relabel" if row["choices"] else "edit",
        row_id=row_id,
        place=_place(row),
        before={name: fields.get(name)},
        after={name: proposed},
        before_hash=row_hash(fields),
        reason=reason,
        evidence={"failures": suspect.failures, "similarity": round(suspect.similarity, 4)},
        findings=(DraftedFinding(row_id=row_id, code=FAILURES_CODE, before_hash=row_hash(fields)),),
        text=_shown(row),
        answered=_answered(suspect.predictions.most_common(1)[0][0], row),
        expected=suspect.answers.most_common(1)[0][0] if row["choices"] else "",
    )


def _request(failure: _Failure, row: dict[str, Any], *, num_near: int) -> FixDraft:
    """Asks for a new training row. The evaluation row's own text is left out on purpose: copying it would be cheating."""
    expected = f" (expected: {failure.reference})" if row["choices"] else ""  # a label; an answer in words is the row's own text
    teaches = f"only {num_near} training rows are near it" if num_near else "no training row is near it"
    return FixDraft(
        op="add",
        after=dict.fromkeys(row["fields"]),
        reason=f"{failure.id} failed{expected} and {teaches}; write a new row of that kind, not a copy",
        evidence={"failures": [failure.id]},
        answered=_answered(failure.prediction or "", row),
        expected=failure.reference if row["choices"] else "",
    )


def _shown(row: dict[str, Any]) -> str:
    """Returns a row's fields as people read them in a table."""
    return "\n".join(f"{name}: {_cut(str(value))}" for name, value in row["fields"].items() if value is not None)


def _answered(prediction: str, row: dict[str, Any]) -> str:
    """Returns what the model answered, where that is a label: in words it may repeat the evaluation row, which no draft may hold."""
    return next((word for word in row["choices"] or () if word.strip() == prediction.strip()), "")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]} ..."


def _place(row: dict[str, Any]) -> str:
    return f"{row['source']}:{row['line']}"


def _without_repeats(drafts: list[FixDraft]) -> list[FixDraft]:
    """Keeps one draft for each row, operation and set of fields: the first, which has the stronger evidence, with the findings of all."""
    first: dict[tuple[str, str, tuple[str, ...], str], FixDraft] = {}
    for draft in drafts:
        key = (draft.op, draft.row_id, tuple(sorted(draft.after)), draft.reason if draft.op == "add" else "")
        known = first.setdefault(key, draft)
        known.findings = tuple(dict.fromkeys([*known.findings, *draft.findings]))
    return list(first.values())
