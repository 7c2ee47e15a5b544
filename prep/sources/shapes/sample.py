"""What one record of a training file says, whichever of the usual shapes it has: prompt, answer and what is wrong with them."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

from prep.sources.json_paths import canonical_json
from prep.sources.shapes.legal import INPUT_KEYS, POLICIES, WEIGHT_KEYS, MessageFlaw
from prep.sources.shapes.messages import Fault, Reading, read_message, read_parts, system_beside
from prep.sources.strict_json import Keys
from templates.form import Form
from templates.values import speaker_role

_OF_THE_SHAPE = frozenset(
    {"messages", "conversations", "chosen_messages", "rejected_messages", "choices", "label", "kto_tag", "target", "tools"}
)
_ABSENT = object()
# Role, text and weight of a message; no text where it has none.
Turn = tuple[str, str | None, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a record.

    Attributes:
        field: where; None where it is the record.
        message: in words, with `{}` for each of `quoted`.
        quoted: words of the record, which messages mask and cut.
        code: the lint rule that reports it.
        severity: where it is not the rule's own.
    """

    field: str | None
    message: str
    quoted: tuple[str, ...] = ()
    code: str = "FMT002"
    severity: str | None = None

    def say(self, shorten: Callable[[str], str]) -> str:
        """Returns the message."""
        return self.message.format(*map(shorten, self.quoted)) if self.quoted else self.message


@dataclass(slots=True)
class Sample:
    """A record as the rules see it.

    Attributes:
        form: its form.
        messages: role and content of each turn, where there are turns.
        weights: each turn's `weight` as JSON text, None where it has none.
        system: the system message.
        input: everything else that comes before the answer.
        answer: what is taught; None where the record has no answer.
        rejected: the answer to avoid, of a preference pair.
        label: the answer's class, where choices are given.
        system_field: where the system message stands in the record; the list's name where it is among messages.
        input_field: likewise the input.
        answer_field: where the answer stands.
        rejected_field: where the rejected answer stands.
        task: what tells this record's task from others of the file: its system message, or a fixed instruction.
        others: what it holds beside its texts, as a JSON object; None where nothing.
        problems: what is wrong with its shape.
        unread: what nobody read within the values that were, by path.
    """

    form: Form
    messages: list[dict[str, str | None]] | None = None
    weights: list[str | None] | None = None
    system: str = ""
    input: str = ""
    answer: str | None = None
    rejected: str | None = None
    label: str | None = None
    system_field: str = "system"
    input_field: str = "input"
    answer_field: str = "answer"
    rejected_field: str = "rejected"
    task: str = ""
    others: str | None = None
    problems: list[Problem] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def problem(self, where: str | None, message: str, *quoted: str, code: str = "FMT002", severity: str | None = None) -> None:
        """Notes what is wrong with the record."""
        self.problems.append(Problem(where, message, quoted, code, severity))

    def note_others(self, value: dict[str, Any]) -> None:
        """Keeps what a record says beside its texts: who wrote it, where it is from, which labels others gave it."""
        texts = {_root(name) for name in (self.system_field, self.input_field, self.answer_field, self.rejected_field)}
        others = {name: one for name, one in value.items() if name not in texts | _OF_THE_SHAPE}
        self.others = canonical_json(others) if others else None

    def text(self, name: str, value: Any) -> str:
        """Reads a field that holds text; numbers and booleans pass as their text, as labels often are, and a list of parts as its texts."""
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        if isinstance(value, bool | int | float):
            return json.dumps(value)
        if isinstance(value, list) and all(isinstance(part, dict) for part in value):
            found = Reading()
            read_parts(value, name, found)
            self._note_faults("", found)
            self.unread += found.unread
            return "\n".join(found.said)
        self.problem(name, f"'{name}' is {type_name(value)}, not text")
        return ""

    def turns(self, name: str, value: Any) -> list[Turn]:
        """Reads a list of messages; what is no message is noted and left out."""
        if not isinstance(value, list):
            self.problem(name, f"'{name}' is {type_name(value)}, not a list of messages")
            return []
        if not value:
            self.problem(name, f"'{name}' is empty")
        turns: list[Turn] = []
        found = Reading()
        for index, message in enumerate(value):
            turn = read_message(message, found)
            if found.faults:
                self._note_faults(f"{name}[{index}]", found, is_last=index == len(value) - 1)
            if isinstance(message, dict):
                turns.append(_said(turn, message, found.said))
        self.unread += [f"{name}[].{path}" for path in found.unread]
        return turns

    def set_turns(self, turns: Sequence[Turn], name: str) -> None:
        """Takes turns for the record's chat; the last of them is the answer, where it is the assistant's."""
        self.messages = [{"role": role, "content": content} for role, content, _ in turns]
        if any(weight is not _ABSENT for _, _, weight in turns):
            self.weights = [None if weight is _ABSENT else dump(weight) for _, _, weight in turns]
        before = self.messages
        if before and before[-1]["role"] == "assistant":
            self.answer = before[-1]["content"] or ""
            self.answer_field = f"{name}[{len(before) - 1}].{'content' if name == 'messages' else 'value'}"
            turns = turns[:-1]
        self._set_prompt(turns, name)
        self.input_field = name

    def set_prompt(self, name: str, value: Any) -> None:
        """Reads a prompt, which is text or messages."""
        if isinstance(value, dict) and "messages" in value:
            self.unread += [f"{name}.{key}" for key in value if key not in INPUT_KEYS]
            name, value = f"{name}.messages", value["messages"]
        if isinstance(value, list) and value:
            turns = self.turns(name, value)
            self.messages = [{"role": role, "content": content} for role, content, _ in turns]
            self._set_prompt(turns, name)
        else:
            self.input = self.text(name, value)
        self.input_field = name

    def answer_text(self, name: str, value: Any) -> str:
        """Reads an answer, which is text, a message, or messages of which the last is the answer."""
        if isinstance(value, dict):
            value = [value]
        if isinstance(value, list) and value and all(isinstance(part, dict) and ("role" in part or "from" in part) for part in value):
            turns = self.turns(name, value)
            return (turns[-1][1] or "") if turns else ""
        return self.text(name, value)

    def take_system(self, record: Keys) -> None:
        """Takes the system text that stands beside the prompt, where that has none."""
        if (found := system_beside([self.system] if self.system else [], record)) is not None:
            self.system_field, self.system = found
            self.task = self.system
            if self.messages is not None:
                self.messages.insert(0, {"role": "system", "content": self.system})

    def _set_prompt(self, turns: Sequence[Turn], name: str) -> None:
        self.system = "\n".join(content or "" for role, content, _ in turns if role == "system")
        self.input = "\n".join(content or "" for role, content, _ in turns if role != "system")
        self.task = self.system
        self.system_field = name

    def _note_faults(self, where: str, found: Reading, *, is_last: bool = False) -> None:
        for fault in found.faults:
            # A weight has a rule of its own, which reads it from `weights`; an answer that is not there is LEN603's.
            if POLICIES[fault.flaw].lint_code != "FMT002" and not (fault.flaw is MessageFlaw.WEIGHT and fault.where != WEIGHT_KEYS[0]):
                continue
            if fault.flaw is MessageFlaw.CONTENT_MISSING and is_last and speaker_role(fault.value) == "assistant":
                continue
            place = ".".join(part for part in (where, fault.where) if part)
            self.problem(place, *_words(fault, place))


class SampleShape(ABC):
    """A shape that a record tells by its keys alone, whatever the other records of its file are.

    Attributes:
        name: what the shape is called.
        keys: the keys that tell it, any of these; those asked first stand first.
        precedence: shapes with a lower one are asked first: a preference pair may also have `messages`, a choice a completion.
    """

    name: ClassVar[str]
    keys: ClassVar[tuple[tuple[str, ...], ...]]
    precedence: ClassVar[int]

    @abstractmethod
    def sample(self, record: Keys, keys: tuple[str, ...]) -> Sample:
        """Returns what a record says.

        Args:
            record: the record, which has the keys.
            keys: those of `keys` that it was told by.
        """


def chat_sample(record: Keys, name: str) -> Sample:
    """Returns what a chat says, its list of messages being called `name`."""
    sample = Sample(Form.CHAT)
    turns = sample.turns(name, record[name])
    if (found := system_beside((text for role, text, _ in turns if role == "system"), record)) is not None:
        turns.insert(0, ("system", found[1], _ABSENT))
    sample.set_turns(turns, name)
    return sample


def preference_sample(record: Keys, keys: tuple[str, ...]) -> Sample:
    """Returns what a preference pair says; without a prompt of its own, that is what the preferred conversation begins with.

    Args:
        record: the record.
        keys: the prompt's, where it has one, and those of the two answers.
    """
    *prompt, chosen, rejected = keys
    sample = Sample(Form.PREFERENCE, answer_field=chosen, rejected_field=rejected)
    if prompt:
        sample.set_prompt(prompt[0], record[prompt[0]])
    elif isinstance(record[chosen], list) and len(record[chosen]) > 1:
        sample.set_prompt(chosen, record[chosen][:-1])
    sample.take_system(record)
    sample.answer = sample.answer_text(chosen, record[chosen])
    sample.rejected = sample.answer_text(rejected, record[rejected])
    return sample


@lru_cache(maxsize=1024)
def _root(name: str) -> str:
    return re.split(r"[.\[]", name)[0]


def type_name(value: Any) -> str:
    """Returns what a JSON value is, in words."""
    if isinstance(value, dict):
        return "an object"
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def dump(value: Any) -> str:
    """Returns a value as JSON; nothing where it is nested too deeply."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""


def _said(turn: dict[str, Any], message: dict[str, Any], parts: list[str]) -> Turn:
    """Returns what rules look at of a turn: all that its parts say; a call, or a refusal, where there is no text."""
    role = speaker_role(turn["role"]) or turn["role"]
    content = "\n".join(parts) if parts else turn.get("text")
    if not content and (calls := turn.get("tool_calls") or turn.get("function_call")):
        content = dump(calls)
    return "system" if role == "developer" else role, content or turn.get("refusal", content), message.get(WEIGHT_KEYS[0], _ABSENT)


def _words(fault: Fault, place: str) -> tuple[str, ...]:
    """Returns what lint says of a fault, and what that quotes of the record."""
    said: tuple[str, ...]
    match fault.flaw:
        case MessageFlaw.NO_OBJECT:
            said = (f"{place} is {type_name(fault.value)}, not a message",)
        case MessageFlaw.ROLE_UNKNOWN | MessageFlaw.ROLE_MISSING if fault.value is not None:
            said = (place + " has the unknown role {}", repr(fault.value))
        case MessageFlaw.ROLE_MISSING:
            said = (f"{place} has no role",)
        case MessageFlaw.CONTENT_MISSING:
            said = (f"{place} has no content",)
        case MessageFlaw.CONTENT_NO_TEXT:
            said = (f"'{place}' is {type_name(fault.value)}, not text",)
        case MessageFlaw.PART_BARE:
            said = (f"'{place}' is a bare text, not a part",)
        case MessageFlaw.PART_NO_TEXT:
            kind = fault.value.get("type") if isinstance(fault.value, dict) else None
            said = (f"'{place}'" + " is a part of the type {}, which is no text", repr(kind))
            if kind is None or kind == "text":
                said = (f"'{place}' has no text",)
        case _:
            said = (f"'{place}'" + " is the weight {}, which is neither 0 nor 1", dump(fault.value))
    return said
