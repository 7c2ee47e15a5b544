"""What the messages of an example are, in each form."""

import json
from typing import Any

import polars as pl
import pytest

from prep.dataset.messages import messages_of, whole_column
from prep.dataset.schema import EXAMPLE_SCHEMA

CALL = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "CET"}'}}
TOOLS = [{"type": "function", "function": {"name": "clock"}}]


def message(role: str, content: str | None, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def row(**parts: Any) -> dict[str, Any]:
    return {**dict.fromkeys(EXAMPLE_SCHEMA), **parts}


def test_a_chat_is_whole_with_what_stands_beside_role_and_content() -> None:
    bare = [message("user", "time?"), message("assistant", None), message("tool", "9:00"), message("assistant", None)]
    beside = [None, {"tool_calls": [CALL]}, {"tool_call_id": "call_1"}, {"weight": 0, "refusal": "No."}]
    found = messages_of(row(messages=bare, extras=json.dumps({"tools": TOOLS, "messages": beside})))
    assert found.messages == [
        message("user", "time?"),
        message("assistant", None, tool_calls=[CALL]),
        message("tool", "9:00", tool_call_id="call_1"),
        message("assistant", "", weight=0, refusal="No."),
    ]
    assert found.said() == [*found.messages[:3], message("assistant", "No.", weight=0)], "a refusal is what the model says"
    assert (found.tools, found.answer, found.asked) == (TOOLS, found.messages[3], found.messages[:3])


def test_a_pair_ends_on_either_answer() -> None:
    asked, better, worse = message("user", "When?"), message("assistant", "At nine."), message("assistant", "Later.")
    found = messages_of(row(messages=[asked], chosen=[better], rejected=[worse]))
    assert found.messages == [asked] == found.asked
    assert (found.whole, found.said(), found.answer) == ([asked, better], [asked, better], better)
    assert found.said(rejected=True) == [asked, worse]


def test_a_pair_without_a_question_has_its_answers_alone() -> None:
    better, worse = message("assistant", "At nine."), message("assistant", "Later.")
    found = messages_of(row(chosen=[better], rejected=[worse]))
    assert (found.messages, found.whole, found.said(rejected=True)) == ([], [better], [worse])


def test_what_has_no_messages_has_no_answer() -> None:
    found = messages_of(row(prompt="Review:", target=" good"))
    assert (found.messages, found.tools, found.whole, found.answer, found.asked) == ([], None, [], None, [])


def test_a_chat_that_ends_on_a_question_is_asked_as_a_whole() -> None:
    turns = [message("user", "a"), message("assistant", "b"), message("user", "c")]
    found = messages_of(row(messages=turns))
    assert (found.answer, found.asked) == (None, turns)


def test_extras_of_more_messages_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        messages_of(row(messages=[message("user", "a")], extras=json.dumps({"messages": [None, {"weight": 0}]})))


def test_columns_and_rows_agree_on_what_is_whole() -> None:
    turns = [message("user", "a"), message("assistant", "b")]
    rows = [
        row(messages=turns),
        row(messages=turns[:1], chosen=turns[1:], rejected=[message("assistant", "c")]),
        row(chosen=turns[1:], rejected=[message("assistant", "c")]),
        row(text="a b"),
    ]
    frame = pl.DataFrame(rows, schema=EXAMPLE_SCHEMA)
    by_columns = frame.select(whole=whole_column(pl.col("messages")))["whole"].to_list()
    assert [whole or [] for whole in by_columns] == [messages_of(one).whole for one in frame.iter_rows(named=True)]
    assert by_columns[3] is None
