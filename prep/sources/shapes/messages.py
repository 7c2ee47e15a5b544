"""Conversations in the shapes that training files hold them, as turns: `{"role", "text", ...}`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prep.sources.json_paths import key_path
from prep.sources.shapes.legal import (
    KEPT_KEYS,
    PARTS,
    POLICIES,
    REASONING_KEYS,
    ROLE_KEYS,
    SYSTEM_KEYS,
    TEXT_KEYS,
    WEIGHT_KEYS,
    MessageFlaw,
    is_weight,
    weight_of,
)
from prep.sources.source import LiteralText, to_text
from prep.sources.strict_json import Keys
from templates.values import speaker_role

_OTHER_KEYS = frozenset({*KEPT_KEYS, *WEIGHT_KEYS, *REASONING_KEYS})
_SYSTEM_ROLES = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with a message.

    Attributes:
        flaw: what it is.
        where: the key within the message; empty for all of it.
        value: what stands there.
    """

    flaw: MessageFlaw
    where: str = ""
    value: Any = None

    @property
    def reason(self) -> str:
        """Why a record with it is rejected, with the message for its subject."""
        match self.flaw:
            case MessageFlaw.NO_OBJECT:
                return f"is {type(self.value).__name__}, not an object"
            case MessageFlaw.ROLE_UNKNOWN:
                shown = str(self.value)[:40]
                key = json.dumps(shown, ensure_ascii=False)
                return f"has the unknown role {shown!r}; say who it is in its source: 'speakers: {{{key}: user}}'"
            case MessageFlaw.ROLE_MISSING:
                return "has no role"
            case MessageFlaw.PART_NO_TEXT:
                kind = self.value.get("type") if isinstance(self.value, dict) else None
                return f"has a part of the type '{str(kind)[:40]}', which is no text"
            case MessageFlaw.CONTENT_MISSING:
                return "has no text"
            case _:
                return f"has the weight {str(self.value)[:40]}, which is neither 0 nor 1"


@dataclass(slots=True)
class Reading:
    """What reading some messages found beside their turns.

    Attributes:
        faults: what is wrong with the message read last.
        said: of a content of parts, the texts of all of them in their order, whatever their type.
        unread: the keys that nobody read, by paths from a message.
    """

    faults: list[Fault] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def rejection(self) -> str | None:
        """Why the build rejects the message read last; None where it does not."""
        return next((fault.reason for fault in self.faults if POLICIES[fault.flaw].is_rejected), None)


def json_of(text: str | None) -> Any:
    """Returns the list or object that a column's text is the JSON of; any other text as it is, whatever it holds."""
    if text is None or isinstance(text, LiteralText) or not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def are_turns(value: Any) -> bool:
    """Whether a value is a list of messages, by the keys of the first."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    return any(key in value[0] for key in ROLE_KEYS) and any(key in value[0] for key in (*TEXT_KEYS, *KEPT_KEYS))


def read_turns(value: Any, record: Keys, name: str) -> list[dict[str, Any]]:
    """Returns the turns of a list of messages.

    Args:
        value: the list.
        record: where it stands; it is told what is not read.
        name: the list's name there.

    Raises:
        ValueError: the value is no list of messages, has none, or one of them cannot be a turn.
    """
    if not isinstance(value, list) or not value:
        raise ValueError("it has no list of messages" if not isinstance(value, list) else "it has no messages")
    turns = []
    found = Reading()
    for number, message in enumerate(value, start=1):
        turns.append(read_message(message, found))
        if found.faults and (why := found.rejection):
            raise ValueError(f"message {number} {why}")
    if found.unread:
        record.leave(f"{name}[].{path}" for path in found.unread)
    return turns


def with_system(turns: list[dict[str, Any]], record: Keys) -> list[dict[str, Any]]:
    """Returns turns with the record's own system text before them, unless they have one: then the record's is not read."""
    found = system_beside((turn.get("text") for turn in turns if speaker_role(turn["role"]) in _SYSTEM_ROLES), record)
    if found is not None:
        turns.insert(0, {"role": "system", "text": found[1]})
    return turns


def system_beside(own: Iterable[str | None], record: Keys) -> tuple[str, str] | None:
    """Returns the system text that stands beside a record's messages, behind its key.

    Args:
        own: the system texts of the messages. Where there is any, what stands beside is not read, unless it says the same.
        record: the record; keys that are blank count as read.
    """
    said = [text.strip() for text in own if text is not None]
    found = None
    for key in SYSTEM_KEYS:
        if key not in record:
            continue
        value = record.peek(key)
        if not has_text(value) or value.strip() in said:
            record.ask(key)
        elif not said:
            found = key, record[key]
            said.append(value.strip())
    return found


def has_text(value: Any) -> bool:
    """Whether a value is a text that is not blank."""
    return isinstance(value, str) and bool(value.strip())


def read_message(message: Any, found: Reading) -> dict[str, Any]:
    """Returns one turn: its role as the file names it, its text, and what else of it a chat file can hold.

    Args:
        message: the message as the file has it.
        found: its `faults` become those of this message; what it has that is not read is added to its `unread`.
    """
    if found.faults:
        found.faults.clear()
    if found.said:
        found.said.clear()
    if not isinstance(message, dict):
        found.faults.append(Fault(MessageFlaw.NO_OBJECT, value=message))
        return {"role": "unknown"}
    role, text = message.get("role"), message.get("content")
    if type(role) is str and type(text) is str and speaker_role(role):  # as nearly all are
        turn = {"role": role, "text": text}
        if len(message) > 2:
            _read_more(message, ("role", "content"), turn, found)
        return turn
    return _read_any(message, found)


def _read_any(message: dict[str, Any], found: Reading) -> dict[str, Any]:
    role_key = _first_of(message, ROLE_KEYS)
    role = message.get(role_key)
    turn: dict[str, Any] = {"role": role if isinstance(role, str) else "unknown"}
    if not isinstance(role, str):
        found.faults.append(Fault(MessageFlaw.ROLE_MISSING, value=role))
    elif speaker_role(role) is None:
        found.faults.append(Fault(MessageFlaw.ROLE_UNKNOWN, value=role))
    text_key = _first_of(message, TEXT_KEYS)
    content = message.get(text_key)
    if isinstance(content, str):
        turn["text"] = content
    elif isinstance(content, list):
        turn.update(read_parts(content, text_key, found))
    elif content is not None:
        if isinstance(content, dict):
            found.faults.append(Fault(MessageFlaw.CONTENT_NO_TEXT, text_key, content))
        turn["text"] = to_text(content)
    if len(message) > 2 or role_key not in message or text_key not in message:
        _read_more(message, (role_key, text_key), turn, found)
    if "text" not in turn and not ("tool_calls" in turn or "function_call" in turn or "refusal" in turn):
        found.faults.append(Fault(MessageFlaw.CONTENT_MISSING, value=turn["role"]))
    return turn


def _read_more(message: dict[str, Any], read: tuple[str, str], turn: dict[str, Any], found: Reading) -> None:
    """Adds to a turn what its message has beside a role and a text, which were read under the keys of `read`."""
    weight_key = ""
    if not _OTHER_KEYS.isdisjoint(message):
        for key in KEPT_KEYS:
            if message.get(key):
                turn[key] = message[key]
        if reasoning := next((message[key] for key in REASONING_KEYS if has_text(message.get(key))), ""):
            turn.setdefault("reasoning", reasoning)
        weight_key = _first_of(message, WEIGHT_KEYS)
        if message.get(weight_key) is not None:
            _read_weight(message[weight_key], weight_key, turn, found)
    for key, value in message.items():
        if key not in read and key != weight_key and key not in KEPT_KEYS and value is not None:
            # Servers write the reasoning under two names at once, and an empty text where there is none.
            if key in REASONING_KEYS and (value == turn.get("reasoning") or value == ""):
                continue
            found.unread.append(key_path(key))


def _first_of(message: dict[str, Any], keys: tuple[str, ...]) -> str:
    """Returns the first of some keys that has a value; the first of all where none has."""
    for key in keys:
        if message.get(key) is not None:
            return key
    return keys[0]


def _read_weight(value: Any, key: str, turn: dict[str, Any], found: Reading) -> None:
    weight = weight_of(value)
    if weight is None:
        found.faults.append(Fault(MessageFlaw.WEIGHT, key, value))
        return
    turn["weight"] = weight
    if key == WEIGHT_KEYS[0] and not is_weight(value):  # the others are truth values where they come from
        found.faults.append(Fault(MessageFlaw.WEIGHT_TYPE, key, value))
    if speaker_role(turn["role"]) != "assistant":
        found.faults.append(Fault(MessageFlaw.WEIGHT_ROLE, key, value))


def read_parts(parts: list[Any], text_key: str, found: Reading) -> dict[str, Any]:
    """Returns what a content that is a list of typed parts says, as the keys of a turn.

    Args:
        parts: the list.
        text_key: its name.
        found: takes what is wrong, and what is not read.
    """
    texts: list[str] = []
    others: dict[str, list[Any]] = {}
    for index, part in enumerate(parts):
        if type(part) is dict and len(part) == 2 and part.get("type") == "text" and type(part.get("text")) is str:
            texts.append(part["text"])  # as nearly all are
            found.said.append(part["text"])
            continue
        if isinstance(part, str):
            texts.append(part)
            found.said.append(part)
            found.faults.append(Fault(MessageFlaw.PART_BARE, f"{text_key}[{index}]", part))
            continue
        kind = (part.get("type") or "text") if isinstance(part, dict) else None
        known = PARTS.get(kind) if isinstance(kind, str) else None
        key = _first_of(part, ("text", "value", str(kind), "content")) if known else "text"
        value = part.get(key) if known else None
        held = known.turn_key if known else None
        if held == "text" and isinstance(value, str):
            texts.append(value)
        elif held == "tool_calls" and value is not None:
            others.setdefault(held, []).append(json_of(value) if isinstance(value, str) else value)
        elif held in {"reasoning", "refusal"} and isinstance(value, str):
            others.setdefault(str(held), []).append(value)
        else:
            found.faults.append(Fault(MessageFlaw.PART_NO_TEXT, f"{text_key}[{index}]", part))
            continue
        if isinstance(value, str):
            found.said.append(value)
        if len(part) > 2 or "type" not in part:
            left = (name for name, one in part.items() if name not in {"type", key} and one is not None)
            found.unread += [key_path(name, f"{text_key}[]") for name in left]
    turn: dict[str, Any] = {name: values if name == "tool_calls" else "\n".join(values) for name, values in others.items()}
    if texts or not turn.keys() & {"tool_calls", "refusal"}:
        turn["text"] = "\n".join(texts)
    return turn


def read_tools(text: str | None) -> str | None:
    """Returns the tools of a record as the JSON of a list, which many files keep as a text; None where it has none.

    Raises:
        ValueError: the text is no JSON list.
    """
    if text is None or not text.strip():
        return None
    tools = json_of(str(text))
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
