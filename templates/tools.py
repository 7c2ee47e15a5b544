"""Tool calls and their answers, as OpenAI's chat format writes them, from the shapes in which corpora hold them."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

# The keys of a turn, beside role and content, that travel with its message; in the order in which they are written.
TURN_EXTRAS = ("tool_calls", "tool_call_id", "name", "weight", "refusal", "reasoning")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_tools(value: Any) -> list[dict[str, Any]]:
    """Returns a list of tool definitions, each as `{"type": "function", "function": {...}}`.

    Raises:
        ValueError: the value is no list of tools.
    """
    if not isinstance(value, list):
        raise ValueError(f"the tools are {str(value)[:40]!r}, which is no JSON list")
    return [_read_tool(tool) for tool in value]


def _read_tool(tool: Any) -> dict[str, Any]:
    # A bare function, without its wrapping, is how many corpora write a tool.
    whole = tool if isinstance(tool, Mapping) and isinstance(tool.get("function"), Mapping) else {"type": "function", "function": tool}
    function = whole["function"]
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ValueError(f"a tool is {json.dumps(tool, ensure_ascii=False)[:40]}, which has no function name")
    return {"type": "function", **whole}


def read_calls(value: Any) -> list[dict[str, Any]]:
    """Returns the calls of one turn, each as `{"id", "type", "function": {"name", "arguments"}}` with its arguments as JSON text.

    Takes OpenAI's `tool_calls` and `function_call`, a bare `{"name", "arguments"}`, a list of those, or the JSON text of any. A call
    without an id gets None for one; `number_calls` gives it one.

    Raises:
        ValueError: it is no call.
    """
    if isinstance(value, str):
        value = json.loads(value)
    calls = value if isinstance(value, list) else [value]
    if not calls:
        raise ValueError("there is no call")
    return [_read_call(call) for call in calls]


def _read_call(call: Any) -> dict[str, Any]:
    if not isinstance(call, Mapping):
        raise ValueError(f"a call is {str(call)[:40]!r}, which is no JSON object")
    function = call.get("function", call)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not _NAME.fullmatch(function["name"]):
        raise ValueError(f"a call is {json.dumps(call, ensure_ascii=False)[:40]}, which names no function")
    arguments = function.get("arguments", function.get("parameters", {}))
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": call.get("id"), "type": "function", "function": {"name": function["name"], "arguments": text}}


def number_calls(turns: Iterable[dict[str, Any]]) -> None:
    """Gives each call without an id one (`call_1`, `call_2`, ...), and each tool answer without one that of the call it answers.

    Answers follow their calls in the order of the calls. An answer that no call is left for stays without an id.
    """
    turns = list(turns)
    taken = {call["id"] for turn in turns for call in turn.get("tool_calls", ())}
    unanswered: list[str] = []
    number = 0
    for turn in turns:
        for call in turn.get("tool_calls", ()):
            while call["id"] is None:
                number += 1
                if f"call_{number}" not in taken:
                    call["id"] = f"call_{number}"
            unanswered.append(call["id"])
        if turn.get("role") == "tool":
            answered = turn.get("tool_call_id")
            if answered is None and unanswered:
                turn["tool_call_id"] = unanswered[0]
            unanswered = [one for one in unanswered if one != turn.get("tool_call_id")]
