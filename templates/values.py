"""The types that a template's inputs may have, and how a raw value becomes one of them."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from templates.syntax import Role

InputType = Literal["str", "int", "float", "bool", "list", "turns"]

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
    "agent": "assistant",
    "doctor": "assistant",
    "model": "assistant",
    "system": "system",
}
_TRUE = frozenset({"true", "1", "yes", "y", "t"})
_FALSE = frozenset({"false", "0", "no", "n", "f"})


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


def _to_list(value: Any) -> list[Any]:
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, list | tuple):
        raise TypeError
    return list(value)


def _to_turns(value: Any) -> list[dict[str, str]]:
    return [_to_turn(turn) for turn in _to_list(value)]


def _to_turn(turn: Any) -> dict[str, str]:
    """Normalises one turn to speaker, role and text; a speaker that is nobody known has no role."""
    if not isinstance(turn, Mapping):
        raise TypeError
    speaker = _first_of(turn, ("speaker", "role", "from"))
    text = _first_of(turn, ("text", "content", "value"))
    result = {"speaker": speaker, "text": text}
    role = _SPEAKER_ROLES.get(speaker.strip().lower())
    return {**result, "role": Role(role)} if role else result


def _first_of(turn: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        if turn.get(key) is not None:
            return _to_str(turn[key])
    raise KeyError(keys[0])


_CONVERTERS = {"str": _to_str, "int": _to_int, "float": _to_float, "bool": _to_bool, "list": _to_list, "turns": _to_turns}
