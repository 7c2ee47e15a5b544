"""Rules for conversations of `from` and `value`."""

import json
from dataclasses import dataclass
from typing import Any

from prep.sources.strict_json import refuse_constant
from prep.targets.checks.rules import Findings, kind_of
from prep.targets.checks.tools import Toolbox, check_call, check_tools


@dataclass(frozen=True, slots=True)
class Tags:
    """The names within a conversation, by the names that LLaMA-Factory gives them."""

    role_tag: str = "from"
    content_tag: str = "value"
    user_tag: str = "human"
    assistant_tag: str = "gpt"
    observation_tag: str = "observation"
    function_tag: str = "function_call"
    system_tag: str = "system"

    @property
    def asking(self) -> tuple[str, str]:
        """Roles of the odd positions."""
        return (self.user_tag, self.observation_tag)

    @property
    def answering(self) -> tuple[str, str]:
        """Roles of the even positions."""
        return (self.assistant_tag, self.function_tag)


def check_conversation(row: dict[str, Any], columns: dict[str, str], tags: Tags, ranking: bool, found: Findings) -> Toolbox:
    """Checks a conversation, and the tools beside it, which it returns."""
    box = _check_tool_text(row.get(columns.get("tools", "")), columns.get("tools", ""), found)
    column = columns["messages"]
    messages = row.get(column)
    if messages is None:
        found.error(column, "messages.missing", f"the row has no '{column}'")
        return box
    if not isinstance(messages, list):
        found.error(column, "messages.type", f"a conversation is a list, not {kind_of(messages)}")
        return box
    if not messages:
        found.error(column, "messages.empty", "the conversation is empty")
    roles = [_check_turn(turn, f"{column}[{index}]", tags, box, found) for index, turn in enumerate(messages)]
    if None not in roles:
        _check_positions(roles, column, tags, ranking, found)
    return box


def check_side(row: dict[str, Any], column: str, tags: Tags, box: Toolbox, found: Findings) -> None:
    """Checks one answer of a pair: a single turn of the assistant's."""
    if column not in row:
        found.error(column, "column.missing", f"the row has no '{column}'")
        return
    role = _check_turn(row[column], column, tags, box, found)
    if role is not None and role not in tags.answering:
        found.error(f"{column}.{tags.role_tag}", "preference.output_role", "an output is the assistant's")


def _check_turn(turn: object, path: str, tags: Tags, box: Toolbox, found: Findings) -> str | None:
    """Checks one turn and returns its role; None where it has none that is known."""
    if not isinstance(turn, dict):
        found.error(path, "message.type", f"a turn is an object, not {kind_of(turn)}")
        return None
    role, content, where = turn.get(tags.role_tag), turn.get(tags.content_tag), f"{path}.{tags.content_tag}"
    known = (*tags.asking, *tags.answering, tags.system_tag)
    if content is None:
        found.error(where, "content.missing", "the turn has no content")
    elif not isinstance(content, str):
        found.error(where, "content.type", f"a turn's content is a text, not {kind_of(content)}")
    elif role == tags.function_tag:
        _check_call_text(content, where, box, found)
    if role is None:
        found.error(f"{path}.{tags.role_tag}", "roles.missing", "the turn has no role")
        return None
    if role not in known:
        found.error(f"{path}.{tags.role_tag}", "roles.unknown", f"not a role here; known: {', '.join(known)}")
        return None
    return str(role)


def _check_positions(roles: list[str | None], column: str, tags: Tags, ranking: bool, found: Findings) -> None:
    """Asking and answering turns alternate, after a system turn or none. The first turn out of its place is reported."""
    first = 1 if roles and roles[0] == tags.system_tag else 0
    for index, role in enumerate(roles[first:]):
        expected = (tags.asking, tags.answering)[index % 2]
        if role not in expected:
            path = f"{column}[{first + index}].{tags.role_tag}"
            found.error(path, "roles.alternation", f"expected {' or '.join(expected)} here, found {role}")
            return
    if not roles:
        return
    where = f"{column}[{len(roles) - 1}].{tags.role_tag}"
    if ranking and (len(roles) - first) % 2 == 0:
        found.error(where, "preference.input_end", "the conversation of a pair ends on a question or an observation")
    elif not ranking and len(roles) == first:
        found.error(column, "assistant.missing", "no turn is the assistant's")
    elif not ranking and (len(roles) - first) % 2:
        found.error(where, "assistant.last", "the last turn is not the assistant's")


def _check_tool_text(tools: object, path: str, found: Findings) -> Toolbox:
    """Checks tools, which stand as JSON text: functions, wrapped or bare."""
    if not isinstance(tools, str) or not tools:
        return Toolbox()
    try:
        parsed = json.loads(tools, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        found.error(path, "tools.type", f"tools are JSON text, and this does not parse: {error}")
        return Toolbox()
    wrapped = isinstance(parsed, list) and any(isinstance(tool, dict) and tool.get("type") == "function" for tool in parsed)
    return check_tools(parsed, path, found, wrapped=wrapped, is_strict=False)


def _check_call_text(content: str, path: str, box: Toolbox, found: Findings) -> None:
    try:
        parsed = json.loads(content, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        found.error(path, "tool_calls.arguments_json", f"a function call is JSON text, and this does not parse: {error}")
        return
    for call in parsed if isinstance(parsed, list) else [parsed]:
        if isinstance(call, dict):
            check_call(call, path, box, found, as_objects=True)
        else:
            found.error(path, "tool_calls.type", f"a function call is an object, not {kind_of(call)}")
