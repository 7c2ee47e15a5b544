"""Conversations in the shapes that training files hold them, as turns: `{"role", "text", ...}`."""

import json
from collections.abc import Mapping
from typing import Any

from prep.source import to_text

_ROLE_KEYS = ("role", "from", "speaker")
_TEXT_KEYS = ("content", "value", "text")
_KEPT = ("tool_calls", "function_call", "tool_call_id", "name", "refusal")
_WEIGHTS = ("weight", "loss_weight", "train")
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "tool_result"})
_REASONING_PARTS = frozenset({"reasoning", "thinking"})


def json_of(text: str | None) -> Any:
    """Returns the list or object that a text is the JSON of; any other text as it is."""
    if text is None or not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def are_turns(value: Any) -> bool:
    """Whether a value is a list of messages, by the keys of the first."""
    if not isinstance(value, list) or not value or not isinstance(value[0], Mapping):
        return False
    return any(key in value[0] for key in _ROLE_KEYS) and any(key in value[0] for key in (*_TEXT_KEYS, *_KEPT))


def read_turns(value: Any, system: str | None = None) -> list[dict[str, Any]]:
    """Returns the turns of a list of messages, with a system text before them that stands apart in some formats.

    Raises:
        ValueError: the value is no list of messages, has none, or one of them cannot be a turn.
    """
    if not isinstance(value, list) or not value:
        raise ValueError("it has no list of messages" if not isinstance(value, list) else "it has no messages")
    turns = []
    for number, message in enumerate(value, start=1):
        try:
            turns.append(read_turn(message))
        except ValueError as error:
            raise ValueError(f"message {number} {error}") from error
    if system and system.strip() and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "text": system})
    return turns


def read_turn(message: Any) -> dict[str, Any]:
    """Returns one turn: its role as the file names it, its text, and what else of it a chat file can hold.

    Raises:
        ValueError: the message has no role or no text, or holds what is no text, such as an image.
    """
    if not isinstance(message, Mapping):
        raise ValueError(f"is {type(message).__name__}, not an object")
    role = next((message[key] for key in _ROLE_KEYS if message.get(key) is not None), None)
    if not isinstance(role, str):
        raise ValueError("has no role")
    turn: dict[str, Any] = {"role": role}
    content = next((message[key] for key in _TEXT_KEYS if message.get(key) is not None), None)
    if isinstance(content, list):
        turn.update(_read_parts(content))
    elif content is not None:
        turn["text"] = to_text(content)
    for key in _KEPT:
        if message.get(key):
            turn[key] = message[key]
    weight = next((message[key] for key in _WEIGHTS if message.get(key) is not None), None)
    if weight is not None:
        if weight not in {0, 1}:
            raise ValueError(f"has the weight {weight}, which is neither 0 nor 1")
        turn["weight"] = int(weight)
    if "text" not in turn and not any(key in turn for key in ("tool_calls", "function_call", "refusal")):
        raise ValueError("has no text")
    return turn


def _read_parts(parts: list[Any]) -> dict[str, Any]:
    """Reads content that is a list of typed parts."""
    texts: list[str] = []
    found: dict[str, list[Any]] = {}
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = part.get("type") if isinstance(part, Mapping) else None
        value = part.get("text", part.get("value", part.get(kind))) if isinstance(part, Mapping) and isinstance(kind, str) else None
        if kind in _TEXT_PARTS and isinstance(value, str):
            texts.append(value)
        elif kind in _REASONING_PARTS and isinstance(value, str):
            found.setdefault("reasoning", []).append(value)
        elif kind == "tool_call" and value is not None:
            found.setdefault("tool_calls", []).append(json_of(value) if isinstance(value, str) else value)
        elif kind == "refusal" and isinstance(value, str):
            found.setdefault("refusal", []).append(value)
        else:
            raise ValueError(f"has a part of the type '{kind}', which is no text")
    turn: dict[str, Any] = {key: values if key == "tool_calls" else "\n".join(values) for key, values in found.items()}
    if texts or not turn.keys() & {"tool_calls", "refusal"}:
        turn["text"] = "\n".join(texts)
    return turn


def read_tools(text: str | None) -> str | None:
    """Returns the tools of a record as the JSON of a list; None where it has none.

    Raises:
        ValueError: the text is no JSON list.
    """
    if text is None or not text.strip():
        return None
    tools = json_of(text)
    if not isinstance(tools, list):
        raise ValueError("its tools are no JSON list")
    return to_text(tools) if tools else None


def answer_text(turn: Mapping[str, Any]) -> str:
    """Returns the text of an answer.

    Raises:
        ValueError: it has none, as a tool call has not.
    """
    text = turn.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("an answer has no text")
    return text


def instruction_text(instruction: str | None, more: str | None) -> str:
    """Returns an instruction with its input below it, as one message.

    Raises:
        ValueError: there is neither.
    """
    parts = [part for part in (instruction, more) if part and part.strip()]
    if not parts:
        raise ValueError("it has no instruction")
    return "\n".join(parts)
