"""Examples of several forms are looked at as one of them, and no rule takes a pair for a question with one right answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from prep.fixes.drafts import FixDraft
from prep.fixes.propose import propose
from prep.lint.run import LintOptions, LintReport, lint
from tests.helpers import write_dataset


def message(role: str, content: str | None) -> dict[str, Any]:
    return {"role": role, "content": content}


def pair(number: int, question: str, better: str, worse: str, **more: Any) -> dict[str, Any]:
    sides = {"chosen": [message("assistant", better)], "rejected": [message("assistant", worse)]}
    return {"row_id": f"row{number}", "messages": [message("user", question)], **sides, **more}


def report_of(folder: Path, rows: list[dict[str, Any]], **options: Any) -> LintReport:
    return lint(write_dataset(folder, rows), options=LintOptions(**options))


def found(report: LintReport) -> set[tuple[str, str | None, str | None]]:
    return {(one.code, one.row_id, one.severity) for one in report.diagnostics}


def varied_pairs() -> list[dict[str, Any]]:
    """Pairs with all that rules look for in answers: several to one question, figures that are not asked for, words in their question."""
    foods = ("soup", "bread", "stew", "pasta", "fish", "salad", "cake", "rice", "curry", "pie", "tart", "steak")
    rows = [
        pair(number, f"How long does the {food} of table {number} keep?", f"The {food} keeps for {number + 2} days.", f"No {food}.")
        for number, food in enumerate(foods * 3)
    ]
    again = [
        pair(100, "What is left of the stew?", "Cover it and keep it cold.", "Leave it."),
        pair(101, "What is left of the stew?", "Freeze it the same day.", "Eat it."),
        pair(102, "Say yes or no to the offer: yes", "yes", "no"),
        pair(103, "The bill was $90.50 for 4 guests.", "Each of them pays $17.25 by 3 May.", "Nothing."),
        pair(104, "The answer is wrong: Berlin. Where was it?", "Berlin", "Paris"),
    ]
    return [*rows, *again]


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param({"text": "A pot of stew was left over, and the guests went home at nine."}, id="text"),
        pytest.param({"prompt": "Review: fine.\nOpinion:", "choices": ["bad", "good"], "label": 1, "target": " good"}, id="choices"),
    ],
)
def test_what_stands_beside_a_pair_changes_no_finding(tmp_path: Path, beside: dict[str, Any]) -> None:
    pairs = varied_pairs()
    alone = report_of(tmp_path / "alone", pairs)
    together = report_of(tmp_path / "together", [{**row, **beside} for row in pairs])
    assert found(together) == found(alone)
    assert together.ran == alone.ran


def test_the_weights_of_a_pair_s_question_are_looked_at(tmp_path: Path) -> None:
    turns = [message("user", "a"), message("assistant", "b"), message("user", "c")]
    extras = json.dumps({"messages": [None, {"weight": 0}, None]}, separators=(",", ":"))
    sound = pair(0, "", "d", "e", extras=extras) | {"messages": turns}
    wrong = sound | {"row_id": "row1", "extras": json.dumps({"messages": [{"weight": 0}, None, None]}, separators=(",", ":"))}
    assert found(report_of(tmp_path / "data", [sound, wrong], select=("FMT004",))) == {("FMT004", "row1", "error")}


def test_the_calls_of_a_pair_s_question_are_looked_at(tmp_path: Path) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    answered = [message("user", "a"), message("assistant", None), message("tool", "9:00"), message("user", "c")]
    beside = [None, {"tool_calls": [call]}, {"tool_call_id": "call_1"}, None]
    sound = pair(0, "", "d", "e", extras=json.dumps({"messages": beside}, separators=(",", ":"))) | {"messages": answered}
    unanswered = {"messages": [*answered[:2], answered[3]], "extras": json.dumps({"messages": [*beside[:2], None]}, separators=(",", ":"))}
    report = report_of(tmp_path / "data", [sound, sound | {"row_id": "row1"} | unanswered], select=("FMT005",))
    assert {(one.row_id, one.field) for one in report.diagnostics} == {("row1", "messages[1].tool_calls[0]")}


def test_a_failure_of_a_choice_asks_for_a_label_and_not_for_another_pair(tmp_path: Path) -> None:
    """The evaluation asked for the choice; that a pair stands beside it is not to be mended by a label."""
    choice = {"prompt": "Review: cold soup.\nOpinion:", "choices": ["negative", "positive"], "label": 1, "target": " positive"}
    fields = {"text": "cold soup", "label": "positive", "better": "We are sorry.", "worse": "So what."}
    row = pair(0, "Answer: cold soup", fields["better"], fields["worse"], **choice, fields=json.dumps(fields))
    dataset = write_dataset(tmp_path / "data", [row])
    failure = {"id": "x", "row_id": "held-out", "reference": "negative"}
    neighbour = {"row_id": "row0", "similarity": 0.9, "same_answer": False}
    (tmp_path / "failures.jsonl").write_text(json.dumps({**failure, "neighbours": [neighbour]}) + "\n", encoding="utf-8")
    drafts: list[FixDraft] = propose(dataset, failures_path=tmp_path / "failures.jsonl")
    assert [(draft.op, draft.before, draft.after) for draft in drafts] == [("relabel", {"label": "positive"}, {"label": "negative"})]
