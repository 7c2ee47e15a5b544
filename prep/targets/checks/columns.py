"""Rules for the files that training libraries load by their columns."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from prep.sources.json_paths import shown
from prep.targets.checks.chat import ChatRules, check_answers, check_chat, check_messages, check_row_tools
from prep.targets.checks.rules import Findings, kind_of
from prep.targets.checks.tools import Toolbox

# Form -> its columns. Other columns are left alone by the libraries.
TRL_FORMS: dict[str, tuple[str, ...]] = {
    "messages": ("messages",),
    "text": ("text",),
    "unpaired preference": ("prompt", "completion", "label"),
    "prompt and completion": ("prompt", "completion"),
    "preference": ("prompt", "chosen", "rejected"),
    "preference without a prompt": ("chosen", "rejected"),
}
VERBALIZER_FORM = {"verbalizer": ("prompt", "target")}
_LISTED_COLUMNS = 10
_TEXT_COLUMNS = frozenset({"text", "target"})


def form_of(row: dict[str, Any], forms: dict[str, tuple[str, ...]]) -> list[str]:
    """Returns the forms whose columns a row has, each unless it is a part of another that the row has too."""
    present = [name for name, columns in forms.items() if all(column in row for column in columns)]
    return [name for name in present if not any(set(forms[name]) < set(forms[other]) for other in present)]


@dataclass(slots=True)
class FormGuard:
    """Holds all rows of a file to the form of the first.

    Attributes:
        forms: form -> its columns.
        first: the form of the first row that has one.
    """

    forms: dict[str, tuple[str, ...]]
    first: str | None = None

    def form(self, row: dict[str, Any], found: Findings) -> str | None:
        """Returns a row's form; None where it has none, several or another than the rows before, which is reported."""
        present = form_of(row, self.forms)
        if not present:
            found.error("", "form.unknown", f"the columns {_listed(row)} make none of the forms: {self._known()}")
        elif len(present) > 1:
            found.error("", "form.ambiguous", f"the row has the columns of several forms: {', '.join(present)}")
        elif self.first is None:
            self.first = present[0]
        elif present[0] != self.first:
            found.error("", "form.mixed", f"the row has the form '{present[0]}'; the file began with '{self.first}'")
            return None
        return present[0] if len(present) == 1 else None

    def _known(self) -> str:
        return "; ".join(" + ".join(columns) for columns in self.forms.values())


def _listed(row: dict[str, Any]) -> str:
    names = [shown(key) for key in list(row)[:_LISTED_COLUMNS]]
    return ", ".join(names) + (", ..." if len(row) > len(names) else "") if names else "(none)"


@dataclass(slots=True)
class ColumnChecker:
    """Checks rows by their columns: a text or a list of messages in each, the same in all rows.

    Attributes:
        guard: the forms, and the form of the file.
        rules: what a list of messages is held to.
        kinds: column -> whether the first row has messages there.
    """

    guard: FormGuard
    rules: ChatRules
    kinds: dict[str, bool] = field(default_factory=dict)

    def __call__(self, row: dict[str, Any], found: Findings) -> None:
        """Checks one row."""
        form = self.guard.form(row, found)
        if form is None:
            return
        row = with_parsed_tools(row)
        if form == "messages":
            check_chat(row, self.rules, found)
            return
        box = check_row_tools(row, "", self.rules, found)
        for column in self.guard.forms[form]:
            self._check_column(row, column, box, found)
        if {"chosen", "rejected"} <= row.keys() and row["chosen"] == row["rejected"]:
            found.error("rejected", "preference.same", "the two outputs are the same")

    def _check_column(self, row: dict[str, Any], column: str, box: Toolbox, found: Findings) -> None:
        value = row[column]
        if column == "label":
            if not isinstance(value, bool):
                found.error(column, "label.type", f"a label is true or false, not {kind_of(value)}")
            return
        if not isinstance(value, (str, list)) or (column in _TEXT_COLUMNS and isinstance(value, list)):
            found.error(column, "column.type", f"the column '{column}' holds a text{'' if column in _TEXT_COLUMNS else ' or messages'}")
            return
        has_messages = isinstance(value, list)
        if self.kinds.setdefault(column, has_messages) != has_messages:
            found.error(column, "column.mixed", f"{kind_of(value)} here, and the other in the rows before")
        if has_messages:
            own = replace(box, call_ids=set(box.call_ids)) if column in {"chosen", "rejected"} else box
            messages = check_messages(value, column, own, self.rules, found)
            if column != "prompt" and messages:
                check_answers(messages, column, self.rules, found)


def with_parsed_tools(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row whose tools, where they are a JSON string, are parsed: libraries whose columns have one type each keep them so."""
    if not isinstance(row.get("tools"), str):
        return row
    try:
        return {**row, "tools": json.loads(row["tools"]) if row["tools"] else None}
    except (ValueError, RecursionError):
        return row
