"""Rules for a chat: its messages, their roles, contents, calls and weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prep.sources.json_paths import join, shown
from prep.sources.shapes.legal import OPENAI_MESSAGE_KEYS, OPENAI_ROLES, OPENAI_ROW_KEYS, is_weight, openai_parts
from prep.targets.checks.rules import Findings, kind_of
from prep.targets.checks.tools import Toolbox, check_call, check_calls, check_tools, is_name

Message = dict[str, Any]
# Checks the order of the roles: the messages (objects only, each with its path) and where to say what is wrong.
OrderRule = Callable[[list[tuple[str, Message]], Findings], None]


@dataclass(frozen=True, slots=True)
class ChatRules:
    """What a target asks of a chat.

    Attributes:
        roles: the roles that it knows.
        row_keys: the keys that a row may have; None for any.
        message_keys: the keys that a message may have; None for any.
        reads_weights: it reads a message's `weight`.
        must_end_on_assistant: it refuses a chat that ends on another role; otherwise that is a warning.
        arguments_as_objects: a call's arguments may be an object, and a call may go without an id.
        checks_calls: it refuses calls that do not fit the row's tools; otherwise that is a warning.
        order: a rule for the order of roles, where it has one.
    """

    roles: tuple[str, ...] = OPENAI_ROLES
    row_keys: frozenset[str] | None = OPENAI_ROW_KEYS
    message_keys: frozenset[str] | None = OPENAI_MESSAGE_KEYS
    reads_weights: bool = True
    must_end_on_assistant: bool = True
    arguments_as_objects: bool = False
    checks_calls: bool = True
    order: OrderRule | None = None


def check_chat(row: dict[str, Any], rules: ChatRules, found: Findings, *, key: str = "messages") -> None:
    """Checks a row that is a chat to train on."""
    check_keys(row, rules.row_keys, "", "row.unknown_key", found)
    box = check_row_tools(row, "", rules, found)
    messages = check_messages(row.get(key), key, box, rules, found)
    if messages:
        check_answers(messages, key, rules, found)


def check_row_tools(holder: dict[str, Any], path: str, rules: ChatRules, found: Findings) -> Toolbox:
    """Checks `tools`, the older `functions` and `parallel_tool_calls`, and returns what is declared."""
    box = check_tools(holder.get("tools"), join(path, "tools"), found)
    older = check_tools(holder.get("functions"), join(path, "functions"), found, wrapped=False)
    if not isinstance(holder.get("parallel_tool_calls", False), bool):
        found.error(join(path, "parallel_tool_calls"), "parallel_tool_calls.type", "it is true or false")
    return Toolbox(rules.checks_calls, box.declared or older.declared, {**older.schemas, **box.schemas})


def check_messages(value: object, path: str, box: Toolbox, rules: ChatRules, found: Findings) -> list[tuple[str, Message]]:
    """Checks a list of messages, one by one and in their order; returns those that are objects, each with its path."""
    if value is None:
        found.error(path, "messages.missing", "the messages are missing")
        return []
    if not isinstance(value, list):
        found.error(path, "messages.type", f"messages are a list, not {kind_of(value)}")
        return []
    if not value:
        found.error(path, "messages.empty", "the list of messages is empty")
    messages = []
    for index, message in enumerate(value):
        where = f"{path}[{index}]"
        if isinstance(message, dict):
            _check_message(message, where, box, rules, found)
            messages.append((where, message))
        else:
            found.error(where, "message.type", f"a message is an object, not {kind_of(message)}")
    if rules.order is not None:
        rules.order(messages, found)
    return messages


def check_answers(messages: list[tuple[str, Message]], path: str, rules: ChatRules, found: Findings) -> None:
    """Checks that there is something to train on, at the end where it belongs."""
    answers = [message for _, message in messages if message.get("role") == "assistant"]
    if not answers:
        found.error(path, "assistant.missing", "no message is the assistant's")
        return
    last_path, last = messages[-1]
    if last.get("role") != "assistant":
        report = found.error if rules.must_end_on_assistant else found.warning
        report(f"{last_path}.role", "assistant.last", "the last message is not the assistant's")
    if rules.reads_weights and all(answer.get("weight") == 0 for answer in answers):
        found.error(path, "weight.none_trained", "every assistant message has weight 0: nothing is trained")


def check_keys(holder: dict[str, Any], known: frozenset[str] | None, path: str, rule: str, found: Findings) -> None:
    """Reports keys that the target does not know."""
    for key in holder if known is not None else ():
        if known is not None and key not in known:
            found.error(join(path, key), rule, f"the key {shown(key)} is not known here; known: {', '.join(sorted(known))}")


def _check_message(message: Message, path: str, box: Toolbox, rules: ChatRules, found: Findings) -> None:
    # A weight that is not read is an error of its own.
    known = None if rules.message_keys is None else rules.message_keys | {"weight"}
    check_keys(message, known, path, "message.unknown_key", found)
    role = message.get("role")
    if role is None:
        found.error(f"{path}.role", "roles.missing", "the message has no role")
    elif role not in rules.roles:
        found.error(f"{path}.role", "roles.unknown", f"{_quoted(role)} is not a role here; known: {', '.join(rules.roles)}")
    _check_content(message, path, found)
    _check_name(message, path, found)
    if "weight" in message:
        _check_weight(message, path, rules, found)
    _check_tool_use(message, path, box, rules, found)


def _check_content(message: Message, path: str, found: Findings) -> None:
    role, content, where = message.get("role"), message.get("content"), f"{path}.content"
    refusal = message.get("refusal")
    if refusal is not None and (role != "assistant" or not isinstance(refusal, str)):
        found.error(f"{path}.refusal", "refusal.type", "a refusal is a text, on an assistant message")
    if content is None:
        calls = message.get("tool_calls") or message.get("function_call")
        if role != "assistant" or not calls:
            found.error(where, "content.missing", "the message has no content" + (" and calls no tool" if role == "assistant" else ""))
    elif isinstance(content, list):
        if not content:
            found.error(where, "content.type", "the list of parts is empty")
        for index, part in enumerate(content):
            _check_part(part, str(role), f"{where}[{index}]", found)
    elif not isinstance(content, str):
        found.error(where, "content.type", f"content is a text or a list of parts, not {kind_of(content)}")


def _check_part(part: object, role: str, path: str, found: Findings) -> None:
    parts = openai_parts(role)
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(part, dict) or not isinstance(kind, str) or kind not in parts:
        found.error(path, "content.part", f"a part of this role's content has one of the types: {', '.join(parts)}")
        return
    known = parts[kind]
    if not isinstance(part.get(known.key), known.type):
        found.error(f"{path}.{known.key}", "content.part", f"a part of the type '{kind}' holds its matter under '{known.key}'")


def _check_name(message: Message, path: str, found: Findings) -> None:
    name = message.get("name")
    if message.get("role") == "function":
        if not is_name(name):
            found.error(f"{path}.name", "tool_calls.name", "a function message names its function: 1 to 64 letters, digits, _ and -")
    elif name is not None and (not isinstance(name, str) or not name):
        found.error(f"{path}.name", "name.type", f"a name is a text that is not empty, not {kind_of(name)}")


def _check_weight(message: Message, path: str, rules: ChatRules, found: Findings) -> None:
    weight, where = message["weight"], f"{path}.weight"
    if not rules.reads_weights:
        found.error(where, "weight.unread", "the target does not read a message's weight and would train it all the same")
    elif message.get("role") != "assistant":
        found.error(where, "weight.role", "only assistant messages have a weight")
    elif isinstance(weight, bool) or not isinstance(weight, int):
        found.error(where, "weight.type", f"a weight is the integer 0 or 1, not {kind_of(weight)}")
    elif not is_weight(weight):
        found.error(where, "weight.value", "a weight is 0 or 1, no other integer")


def _check_tool_use(message: Message, path: str, box: Toolbox, rules: ChatRules, found: Findings) -> None:
    role = message.get("role")
    for key in ("tool_calls", "function_call"):
        if message.get(key) is not None and role != "assistant":
            found.error(f"{path}.{key}", "tool_calls.role", "only assistant messages call tools")
    if role == "assistant":
        objects = rules.arguments_as_objects
        if message.get("tool_calls") is not None:
            check_calls(message["tool_calls"], f"{path}.tool_calls", box, found, with_ids=not objects, as_objects=objects)
        if message.get("function_call") is not None:
            _check_function_call(message["function_call"], f"{path}.function_call", box, found)
    call_id = message.get("tool_call_id")
    if role != "tool":
        if call_id is not None:
            found.error(f"{path}.tool_call_id", "tool.call_id", "only tool messages answer a call")
    elif not isinstance(call_id, str) or not call_id:
        if call_id is not None or not rules.arguments_as_objects:
            found.error(f"{path}.tool_call_id", "tool.call_id", "a tool message has the id of the call that it answers, a text")
    elif call_id not in box.call_ids:
        found.error(f"{path}.tool_call_id", "tool.call_unknown", f"no earlier message made the call {shown(call_id)}")


def _check_function_call(call: object, path: str, box: Toolbox, found: Findings) -> None:
    if isinstance(call, dict):
        check_call(call, path, box, found)
    else:
        found.error(path, "tool_calls.type", f"a function call is an object, not {kind_of(call)}")


def _quoted(value: object) -> str:
    return shown(value) if isinstance(value, str) else kind_of(value)
