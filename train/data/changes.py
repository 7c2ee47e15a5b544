"""Changes of a run's training rows, from a step on: some dropped, answered otherwise, weighted or added."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loopwright.errors import UserError, did_you_mean
from loopwright.hashing import hash_text
from prep.dataset.schema import EXAMPLE_SCHEMA
from templates.form import Form

_WHERE = "changes"
ADDED_SOURCE = "added"
"""What stands where other rows name their file."""


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What is different about the train split. Rows are named by their example id or, all examples of a raw row at once, by their row id.

    Attributes:
        dropped: rows that are left out.
        relabelled: rows with another answer: the choice or the text that the row is to be answered with; or columns of the dataset's
            examples.parquet with what they are to hold, such as `{"chosen": [..], "rejected": [..]}`.
        weights: what rows count for in the loss, where that is not 1; above 0.
        added: rows that are new, by the columns of examples.parquet that the run's form needs, such as `{"messages": [..]}`; an `id`, too,
            where they are to be found in the ledger under one of your own.
    """

    dropped: frozenset[str] = frozenset()
    relabelled: Mapping[str, str | Mapping[str, Any]] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    added: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        wrong = next((name for name, weight in self.weights.items() if not 0 < weight < float("inf")), None)
        if wrong is not None:
            raise UserError(f"the weight of '{wrong}' is {self.weights[wrong]}", _WHERE, "Give a number above 0, or drop the row.")
        for row in [*self.added, *(change for change in self.relabelled.values() if not isinstance(change, str))]:
            if unknown := next((name for name in row if name not in EXAMPLE_SCHEMA), None):
                raise UserError(f"examples have no column '{unknown}'", _WHERE, did_you_mean(unknown, EXAMPLE_SCHEMA.names()))

    def __bool__(self) -> bool:
        return bool(self.dropped or self.relabelled or self.weights or self.added)

    @property
    def sha256(self) -> str:
        """A hash of all of them."""
        relabelled = {name: change if isinstance(change, str) else dict(change) for name, change in self.relabelled.items()}
        parts = [sorted(self.dropped), relabelled, dict(self.weights), [dict(row) for row in self.added]]
        return hash_text(json.dumps(parts, sort_keys=True))

    def apply(self, rows: list[dict[str, Any]], form: Form) -> list[dict[str, Any]]:
        """Returns the rows of the train split as they are from then on, the added ones last.

        Args:
            rows: the train split's, as `EXAMPLE_SCHEMA` has them.
            form: of the run.

        Raises:
            UserError: a row that is named is not there, or cannot be answered so.
        """
        known = {name for row in rows for name in (row["id"], row["row_id"])}
        for name in (*self.dropped, *self.relabelled, *self.weights):
            if name not in known:
                raise UserError(f"the train split has no row '{name}'", _WHERE, "Name rows by the id or row_id of examples.parquet.")
        staying = [row for row in rows if row["id"] not in self.dropped and row["row_id"] not in self.dropped]
        changed = [row if (change := _of(self.relabelled, row)) is None else _answered(row, change) for row in staying]
        return [*changed, *(_new_row(row, number, form, known) for number, row in enumerate(self.added))]

    def weight(self, example_id: str, row_id: str) -> float:
        """Returns what a row counts for."""
        return self.weights.get(example_id, self.weights.get(row_id, 1.0))


def _of(changes: Mapping[str, Any], row: dict[str, Any]) -> Any:
    return changes.get(row["id"], changes.get(row["row_id"]))


def _answered(row: dict[str, Any], answer: str | Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row with another answer, in every form that it has one in.

    Raises:
        UserError: the answer is none of its choices, or the row has no single answer.
    """
    if not isinstance(answer, str):
        return {**row, **answer}
    changed = dict(row)
    if row["choices"]:
        if answer not in row["choices"]:
            raise UserError(f"'{answer}' is no choice of row {row['id']}", _WHERE, f"It has: {', '.join(row['choices'])}.")
        before = row["choices"][row["label"]] if row["label"] is not None else None
        changed["label"] = row["choices"].index(answer)
        if row["target"] is not None and before is not None and row["target"].endswith(before):
            changed["target"] = row["target"].removesuffix(before) + answer
    elif row["target"] is not None:
        changed["target"] = answer
    if row["messages"] and row["messages"][-1]["role"] == "assistant":
        changed["messages"] = [*row["messages"][:-1], {**row["messages"][-1], "content": answer}]
    if row["text"] is not None and not row["messages"] and not row["choices"]:
        changed["text"] = answer
    if changed == row and row["chosen"]:
        cause = f"row {row['id']} is a pair of answers, and one text cannot say what becomes of them"
        raise UserError(cause, _WHERE, 'Give its columns: {"chosen": [..], "rejected": [..]}.')
    return changed


def _new_row(given: Mapping[str, Any], number: int, form: Form, known: set[str]) -> dict[str, Any]:
    """Returns an added row with all columns.

    Raises:
        UserError: it has the id of another row.
    """
    name = str(given.get("id", f"{ADDED_SOURCE}-{number}"))
    if name in known:
        raise UserError(f"the added row {number} has the id of another row: '{name}'", _WHERE, "Give it another, or none.")
    known.add(name)
    blank = dict.fromkeys(EXAMPLE_SCHEMA.names())
    own = {"id": name, "row_id": name, "source": ADDED_SOURCE, "line": number + 1, "split": "train", "forms": [form]}
    return {**blank, **own, **given, "id": name, "split": "train"}
