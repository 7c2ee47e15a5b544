"""Whether a chat's tool calls and their results go together, and fit the tools that the row declares."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prep.targets.checks.rules import Findings, Problem
from prep.targets.checks.tools import check_calls, check_tools
from templates.tools import read_tools
from templates.values import coerce


def check_tool_use(messages: Sequence[Mapping[str, Any]], tools: object, name: str = "messages") -> Iterator[tuple[str, str, str]]:
    """Yields (field, message, severity) for what is wrong with the tool calls of a chat.

    Args:
        messages: as OpenAI writes them: role, content, `tool_calls`, `tool_call_id`.
        tools: what the row declares, wrapped as functions; None for nothing.
        name: the list's name in the record.
    """
    found = Findings()
    box = check_tools(tools, "tools", found)
    waiting: dict[str, str] = {}
    for index, message in enumerate(messages):
        where = f"{name}[{index}]"
        if message["role"] == "tool":
            answered = message.get("tool_call_id") or next(iter(waiting), None)
            if answered is None or answered not in box.call_ids:
                found.error(f"{where}.tool_call_id", "tool.call_unknown", "tool result without an earlier call")
            waiting.pop(answered or "", None)
            continue
        for path in waiting.values():
            found.warning(path, "tool_calls.id", "tool call without a result before the chat continues")
        waiting.clear()
        calls = message.get("tool_calls")
        if calls and message["role"] == "assistant":
            check_calls(calls, f"{where}.tool_calls", box, found, with_ids=False, as_objects=True)
            waiting = {call["id"]: f"{where}.tool_calls[{place}]" for place, call in enumerate(calls) if call.get("id")}
    yield from _said(found.errors, "error")
    yield from _said(found.warnings, "warning")


def check_record_tools(record: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yields (field, message, severity) for the tool calls of a foreign chat record, in OpenAI's form or ShareGPT's.

    What cannot be read as a chat at all is for others to report.
    """
    name = "messages" if "messages" in record else "conversations"
    tools = record.get("tools") or record.get("functions")
    try:
        turns = coerce(record.get(name), "turns", name)
        tools = read_tools(json.loads(tools) if isinstance(tools, str) else tools) if tools else None
    except (ValueError, RecursionError):
        return
    messages = [{"role": str(turn.get("role", "")), **{key: turn.get(key) for key in ("tool_calls", "tool_call_id")}} for turn in turns]
    if any(message["role"] == "tool" or message["tool_calls"] for message in messages):
        yield from check_tool_use(messages, tools, name)


def _said(problems: Sequence[Problem], severity: str) -> Iterator[tuple[str, str, str]]:
    for problem in problems:
        yield problem.field, problem.message, severity
