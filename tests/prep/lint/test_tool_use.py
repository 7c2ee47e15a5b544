"""Tool calls of foreign records, in OpenAI's form and in ShareGPT's."""

import json
from typing import Any

from prep.lint.frame.tool_use import check_record_tools

TOOLS = [{"name": "find", "parameters": {"type": "object", "properties": {"part": {"type": "string"}}, "required": ["part"]}}]


def sharegpt(call: Any, *, result: bool = True, tools: Any = TOOLS) -> dict[str, Any]:
    turns = [{"from": "human", "value": "Where is it?"}, {"from": "function_call", "value": json.dumps(call)}]
    turns += [{"from": "observation", "value": "{}"}] if result else []
    return {"conversations": [*turns, {"from": "gpt", "value": "Here."}], "tools": json.dumps(tools)}


def fields(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(field, severity) for field, _, severity in check_record_tools(record)]


def test_what_is_in_order_is_not_reported() -> None:
    assert fields(sharegpt({"name": "find", "arguments": {"part": "PX7"}})) == []
    assert fields({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}) == []
    assert fields({"text": "no chat at all"}) == []
    assert fields({"messages": 3}) == []


def test_a_call_that_does_not_fit() -> None:
    assert fields(sharegpt({"name": "find", "arguments": {"place": "x"}})) == [
        ("conversations[1].tool_calls[0].function.arguments", "error"),
    ]
    assert fields(sharegpt({"name": "search", "arguments": {}})) == [("conversations[1].tool_calls[0].function.name", "error")]


def test_a_call_without_a_result_and_a_result_without_a_call() -> None:
    assert fields(sharegpt({"name": "find", "arguments": {"part": "PX7"}}, result=False)) == [("conversations[1].tool_calls[0]", "warning")]
    record = {"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}, {"role": "assistant", "content": "c"}]}
    assert fields(record) == [("messages[1].tool_call_id", "error")]


def test_tools_that_are_no_json_are_for_others_to_report() -> None:
    assert fields(sharegpt({"name": "find", "arguments": {}}) | {"tools": "{"}) == []
