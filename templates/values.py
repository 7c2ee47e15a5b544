"""The types that a template's inputs may have, and how a raw value becomes one of them."""

import copy
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal, cast

from templates.syntax import Role
from templates.tools import TURN_EXTRAS, number_calls, read_calls

InputType = Literal["str", "int", "float", "bool", "list", "dict", "json", "turns"]

# Who speaks, in the corpora of this field, as a chat model's roles. The company's or the expert's side is the assistant.
_SPEAKER_ROLES = {
    "user": "user",
    "human": "user",
    "customer": "user",
    "client": "user",
    "caller": "user",
    "patient": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "agent": "assistant",
    "doctor": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "ipython": "tool",
    "system": "system",
    "developer": "developer",
}
SPEAKER_KEYS, TEXT_KEYS = ("speaker", "role", "from"), ("text", "content", "value")
TURN_KEYS = ("speaker", "role", "text", *TURN_EXTRAS)
"""What a turn may have once it is read, whatever its corpus calls it."""
# Speakers whose text is a call, not words.
_CALLING = frozenset({"function_call", "tool_call"})
_TRUE = frozenset({"true", "1", "yes", "y", "t"})
_FALSE = frozenset({"false", "0", "no", "n", "f"})
# What an optional input is where its field is missing. Numbers have no value that says so.
EMPTY: dict[InputType, Callable[[], Any]] = {"str": str, "list": list, "turns": list, "dict": dict}


def coerce(value: Any, kind: InputType, name: str) -> Any:
    """Converts a raw value to an input's type.

    Args:
        value: what the source gave; None means that the field is missing.
        kind: the declared type.
        name: the field's name, for the message.

    Raises:
        ValueError: the value is missing or is none of that type.
    """
    if value is None:
        raise ValueError(f"field '{name}' is missing")
    try:
        return _CONVERTERS[kind](value)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"field '{name}' is {str(value)[:40]!r}, which is no {kind}") from error


def coerce_optional(value: Any, kind: InputType, name: str) -> Any:
    """Converts a raw value that may be missing or blank, and is then an empty value of its type.

    Raises:
        ValueError: the value is there and none of that type.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return EMPTY[kind]()
    return coerce(value, kind, name)


def _to_str(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _to_int(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def _to_float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    return float(value)


def _to_bool(value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _to_list(given: Any) -> list[Any]:
    """Returns a list of the template's own, which it may change."""
    value = json.loads(given) if isinstance(given, str) else given
    if not isinstance(value, list | tuple):
        raise TypeError
    return copy.deepcopy(list(value)) if given is value else list(value)


def _to_dict(given: Any) -> dict[str, Any]:
    value = json.loads(given) if isinstance(given, str) else given
    if not isinstance(value, Mapping):
        raise TypeError
    return copy.deepcopy(dict(value)) if given is value else dict(value)


def _to_json(value: Any) -> Any:
    """Takes a text for the JSON that it is, and for itself where it is none or is a text in quotes: raw texts stand without."""
    if not isinstance(value, str):
        return value
    try:
        read = json.loads(value)
    except ValueError:
        return value
    return value if isinstance(read, str) else read


def _to_turns(value: Any) -> list[dict[str, Any]]:
    given = _to_list([value] if isinstance(value, Mapping) else value)
    plain = [_plain_turn(turn) for turn in given]
    if None not in plain:
        return cast("list[dict[str, Any]]", plain)
    turns = [_to_turn(turn) for turn in given]
    number_calls(turns)
    for turn in turns:
        if "role" in turn:
            turn["role"] = Role(turn["role"], {key: turn[key] for key in TURN_EXTRAS if key in turn})
    return turns


def _plain_turn(turn: Any) -> dict[str, Any] | None:
    """Normalises a turn that is a speaker and a text and nothing else, as nearly all are, in a fifth of the time; None for any other."""
    if type(turn) is not dict or len(turn) != 2:
        return None
    (key, speaker), (other, text) = turn.items()
    if key in TEXT_KEYS:
        key, speaker, other, text = other, text, key, speaker
    if key not in SPEAKER_KEYS or other not in TEXT_KEYS or type(speaker) is not str or type(text) is not str:
        return None
    is_plain, role = _role_of(speaker)
    if not is_plain:
        return None
    return {"speaker": speaker, "text": text} if role is None else {"speaker": speaker, "role": role, "text": text}


@lru_cache(maxsize=1024)
def speaker_role(speaker: str) -> str | None:
    """Returns the chat role of a speaker, by the names that corpora give them; None for one that is nobody known."""
    return _SPEAKER_ROLES.get(speaker.strip().lower())


@lru_cache(maxsize=1024)
def _role_of(speaker: str) -> tuple[bool, Role | None]:
    """Returns whether a speaker neither calls tools nor is one, and its role."""
    name, role = speaker.strip().lower(), speaker_role(speaker)
    return name not in _CALLING and role != "tool", None if role is None else Role(role)


def _to_turn(turn: Any) -> dict[str, Any]:
    """Normalises one turn to speaker, role, text and what else its message carries; a speaker that is nobody known has no role."""
    if not isinstance(turn, Mapping):
        raise TypeError
    speaker = _to_text(_first_of(turn, SPEAKER_KEYS))
    result: dict[str, Any] = {"speaker": speaker}
    # A role beside the speaker's name was declared for this corpus; the name alone is only commonly understood.
    named = (turn.get("role"), speaker)
    if role := next((_SPEAKER_ROLES[name] for name in (str(one).strip().lower() for one in named) if name in _SPEAKER_ROLES), None):
        result["role"] = role
    calls = turn.get("tool_calls") or turn.get("function_call")
    if speaker.strip().lower() in _CALLING and not calls:
        calls, text = _first_of(turn, TEXT_KEYS), ""
    elif calls or turn.get("refusal"):
        text = _to_text(next((turn[key] for key in TEXT_KEYS if turn.get(key) is not None), ""))
    else:
        text = _to_text(_first_of(turn, TEXT_KEYS))
    result["text"] = text
    if calls:
        result["tool_calls"] = read_calls(calls)
    for key in ("tool_call_id", "name", "refusal", "reasoning"):
        if turn.get(key) is not None:
            result[key] = _to_str(turn[key])
    if role == "assistant" and turn.get("weight") is not None:  # no other turn is ever trained
        result["weight"] = _to_weight(turn["weight"])
    return result


def _to_weight(value: Any) -> int:
    if isinstance(value, bool) or value not in {0, 1}:
        raise ValueError
    return int(value)


def _to_text(value: Any) -> str:
    """Returns a turn's text; of a list of parts, as some formats write it, their texts."""
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        return "\n".join(_to_str(_first_of(part, ("text", "refusal"))) for part in value)
    return _to_str(value)


def _first_of(turn: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        if turn.get(key) is not None:
            return turn[key]
    raise KeyError(keys[0])


_CONVERTERS: dict[InputType, Callable[[Any], Any]] = {
    "str": _to_str,
    "int": _to_int,
    "float": _to_float,
    "bool": _to_bool,
    "list": _to_list,
    "dict": _to_dict,
    "json": _to_json,
    "turns": _to_turns,
}
