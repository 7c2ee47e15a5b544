"""One record of a foreign training file -> one row of the lint frame, whichever of the usual shapes it has.

The shape is told from the keys, record by record: OpenAI chat, prompt and completion, prompt with choices, plain text, alpaca, ShareGPT,
preference pairs. What does not fit its shape comes back as a defect, never as an exception.
"""

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from prep.lint.defects import Defect
from prep.lint.lines import DuplicateKeys, canonical_json
from prep.pii.masking import shorten

_ROLES = {
    "human": "user", "user": "user", "prompter": "user", "customer": "user", "gpt": "assistant", "assistant": "assistant",
    "bot": "assistant", "chatgpt": "assistant", "model": "assistant", "bing": "assistant", "bard": "assistant",
    "system": "system", "developer": "system",
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool", "function_call": "assistant",
}  # fmt: skip
_OF_THE_SHAPE = frozenset({"messages", "conversations", "chosen_messages", "rejected_messages", "choices", "label", "target", "tools"})
# Prompt and completion under the names that data sets give them, the longest known first.
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("instruction", "response"),
    ("question", "answer"),
    ("query", "response"),
    ("input", "output"),
    ("text", "label"),
    ("text", "summary"),
)


@dataclass(slots=True)
class Record:
    """A record as the rules see it.

    Attributes:
        kind: chat, verbalizer, completion, or preference.
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
        problems: what is wrong with its shape, as (code, field, message, severity).
    """

    kind: str
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
    problems: list[tuple[str, str | None, str, str | None]] = field(default_factory=list)

    def problem(self, field_name: str | None, message: str, *, code: str = "FMT002", severity: str | None = None) -> None:
        """Notes what is wrong with the record."""
        self.problems.append((code, field_name, message, severity))

    def note_others(self, value: dict[str, Any]) -> None:
        """Keeps what a record says beside its texts: who wrote it, where it is from, which labels others gave it."""
        texts = {re.split(r"[.\[]", name)[0] for name in (self.system_field, self.input_field, self.answer_field, self.rejected_field)}
        others = {name: one for name, one in value.items() if name not in texts | _OF_THE_SHAPE}
        self.others = canonical_json(others) if others else None

    def defects(self, source: str, line: int, example_id: str) -> list[Defect]:
        """Returns what is wrong, for the rules that report it."""
        return [Defect(code, source, line, message, example_id, severity, name) for code, name, message, severity in self.problems]


def parse_record(value: Any) -> Record | str:
    """Returns the record, or why the value is no training example."""
    if not isinstance(value, dict):
        return f"expected a JSON object, found {_type_name(value)}"
    for keys, parse in _SHAPES:
        if all(key in value for key in keys):
            record = parse(value)
            if isinstance(value, DuplicateKeys):
                record.problem(None, "a key stands twice in the object; the last value was read", severity="warning")
            return record
    shown = ", ".join(f"'{shorten(key)}'" for key in list(value)[:6]) or "none"
    return f"no known shape of training example has these keys: {shown}"


def empty_keys(found: Collection[str], columns: Collection[str]) -> tuple[str, ...]:
    """Returns the keys that a table's row should have and that are empty: a label that is missing, not plain text without one.

    Args:
        found: the columns that hold something in this row.
        columns: all columns of the table; where it mixes shapes, those of the other shapes are empty on purpose.
    """
    if any(all(key in found for key in keys) for keys, _ in _SHAPES if keys != _PLAIN):
        return ()
    begun = (keys for keys, _ in _SHAPES if all(key in columns for key in keys) and any(key in found for key in keys))
    return tuple(key for key in next(begun, ()) if key not in found)


def _type_name(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _text(record: Record, name: str, value: Any) -> str:
    """Reads a field that holds text; numbers and booleans pass as their text, as labels often are."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return _parts(record, name, value)
    record.problem(name, f"'{name}' is {_type_name(value)}, not text")
    return ""


def _parts(record: Record, name: str, parts: list[dict[str, Any]]) -> str:
    texts = []
    for part in parts:
        text = part.get("text", part.get("value", part.get("content", part.get("refusal"))))
        if isinstance(text, str):
            texts.append(text)
        elif part.get("type") in {None, "text"}:
            record.problem(name, f"a part of '{name}' has no text")
    return "\n".join(texts)


def _turns(record: Record, name: str, value: Any) -> list[tuple[str, str | None, Any]]:
    """Reads a list of messages as (role, content, weight); what is no message is noted and left out."""
    if not isinstance(value, list):
        record.problem(name, f"'{name}' is {_type_name(value)}, not a list of messages")
        return []
    if not value:
        record.problem(name, f"'{name}' is empty")
    turns = []
    for index, message in enumerate(value):
        where = f"{name}[{index}]"
        if not isinstance(message, dict):
            record.problem(where, f"{where} is {_type_name(message)}, not a message")
            continue
        given = message.get("role", message.get("from"))
        role = _ROLES.get(given.lower()) if isinstance(given, str) else None
        if role is None:
            record.problem(where, f"{where} has {'no role' if given is None else 'the unknown role ' + shorten(repr(given))}")
            role = given if isinstance(given, str) else "unknown"
        content_key = next((key for key in ("content", "value", "text") if key in message), "content")
        calls = message.get("tool_calls") or message.get("function_call")
        content = message.get(content_key)
        if not isinstance(content, str):
            content = _text(record, f"{where}.{content_key}", content)
        if calls and not content:
            content = _dump(calls)
        elif content_key not in message or message[content_key] is None:
            content = None
            if role != "assistant":
                record.problem(where, f"{where} has no content")
        turns.append((role, content, message.get("weight", _ABSENT)))
    return turns


_ABSENT = object()


def _dump(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""


def _set_messages(record: Record, turns: Sequence[tuple[str, str | None, Any]], name: str) -> None:
    record.messages = [{"role": role, "content": content} for role, content, _ in turns]
    if any(weight is not _ABSENT for _, _, weight in turns):
        record.weights = [None if weight is _ABSENT else _dump(weight) for _, _, weight in turns]
    before = record.messages
    if before and before[-1]["role"] == "assistant":
        record.answer = before[-1]["content"] or ""
        record.answer_field = f"{name}[{len(before) - 1}].{'content' if name == 'messages' else 'value'}"
        before = before[:-1]
    system = [message["content"] or "" for message in before if message["role"] == "system"]
    record.system = "\n".join(system)
    record.input = "\n".join(message["content"] or "" for message in before if message["role"] != "system")
    record.task = record.system
    record.system_field = record.input_field = name


def _chat(value: dict[str, Any]) -> Record:
    name = "messages" if "messages" in value else "conversations"
    record = Record("chat")
    turns = _turns(record, name, value[name])
    if isinstance(value.get("system"), str):
        turns = [("system", value["system"], _ABSENT), *turns]
    _set_messages(record, turns, name)
    return record


def _prompt_into(record: Record, name: str, value: Any) -> None:
    """Reads a prompt, which is text or messages."""
    if isinstance(value, dict) and "messages" in value:
        name, value = f"{name}.messages", value["messages"]
    if isinstance(value, list) and value:
        turns = _turns(record, name, value)
        record.messages = [{"role": role, "content": content} for role, content, _ in turns]
        record.system = "\n".join(content or "" for role, content, _ in turns if role == "system")
        record.input = "\n".join(content or "" for role, content, _ in turns if role != "system")
        record.task = record.system
        record.system_field = name
    else:
        record.input = _text(record, name, value)
    record.input_field = name


def _answer_text(record: Record, name: str, value: Any) -> str:
    """Reads an answer, which is text, a message, or messages of which the last is the answer."""
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list) and value and all(isinstance(part, dict) and ("role" in part or "from" in part) for part in value):
        turns = _turns(record, name, value)
        return (turns[-1][1] or "") if turns else ""
    return _text(record, name, value)


def _pair(prompt: str, completion: str) -> Callable[[dict[str, Any]], Record]:
    def parse(value: dict[str, Any]) -> Record:
        record = Record("verbalizer", answer_field=completion)
        _prompt_into(record, prompt, value[prompt])
        record.answer = _answer_text(record, completion, value[completion])
        return record

    return parse


def _choices(value: dict[str, Any]) -> Record:
    record = Record("verbalizer", answer_field="target")
    _prompt_into(record, "prompt", value["prompt"])
    choices, label = value["choices"], value.get("label")
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, str) for choice in choices):
        record.problem("choices", "'choices' is not a list of words")
        choices = []
    elif not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < len(choices):
        record.problem("label", f"'label' is {shorten(_dump(label))}, not an index into the {len(choices)} choices")
    else:
        record.label = choices[label]
    target = value.get("target", record.label)
    record.answer = _text(record, "target", target)
    if record.label is not None and not record.answer.endswith(record.label):
        record.problem("target", "'target' does not end on the choice that 'label' names")
    record.task = json.dumps(choices)
    return record


def _instructed(name: str, completion: str) -> Callable[[dict[str, Any]], Record]:
    def parse(value: dict[str, Any]) -> Record:
        record = Record("verbalizer", answer_field=completion)
        instruction = _text(record, "instruction", value["instruction"])
        given = _text(record, name, value.get(name))
        # With an input the instruction is the task, the same for many rows; without one it is the question.
        record.input, record.input_field = (given, name) if given else (instruction, "instruction")
        system = (instruction, "instruction") if given else (_text(record, "system", value.get("system")), "system")
        record.system, record.system_field = system
        record.task = record.system
        record.answer = _answer_text(record, completion, value[completion])
        return record

    return parse


def _plain(value: dict[str, Any]) -> Record:
    record = Record("completion", answer_field="text")
    record.answer = _text(record, "text", value["text"])
    return record


def _preference(prompt: str, chosen: str, rejected: str) -> Callable[[dict[str, Any]], Record]:
    def parse(value: dict[str, Any]) -> Record:
        record = Record("preference", answer_field=chosen, rejected_field=rejected)
        if prompt in value:
            _prompt_into(record, prompt, value[prompt])
        record.answer = _answer_text(record, chosen, value[chosen])
        record.rejected = _answer_text(record, rejected, value[rejected])
        return record

    return parse


def _whole_preference(value: dict[str, Any]) -> Record:
    """Pairs of whole conversations that differ in their last turn."""
    names = ("chosen_messages", "rejected_messages") if "chosen_messages" in value else ("chosen", "rejected")
    record = Record("preference", answer_field=names[0], rejected_field=names[1])
    if isinstance(value[names[0]], list) and len(value[names[0]]) > 1:
        _prompt_into(record, names[0], value[names[0]][:-1])
    record.answer = _answer_text(record, names[0], value[names[0]])
    record.rejected = _answer_text(record, names[1], value[names[1]])
    return record


_PLAIN = ("text",)
# The keys that tell a shape, the most telling first: a preference pair may also have `messages`, a choice may also have a completion.
_SHAPES: tuple[tuple[tuple[str, ...], Callable[[dict[str, Any]], Record]], ...] = (
    *(
        ((prompt, chosen, rejected), _preference(prompt, chosen, rejected))
        for prompt, chosen, rejected in (
            ("input", "preferred_output", "non_preferred_output"),
            ("input", "preferred_completion", "non_preferred_completion"),
            ("prompt", "chosen", "rejected"),
            ("conversations", "chosen", "rejected"),
            ("messages", "chosen", "rejected"),
            ("question", "chosen", "rejected"),
            ("instruction", "chosen", "rejected"),
        )
    ),
    (("chosen", "rejected"), _whole_preference),
    (("chosen_messages", "rejected_messages"), _whole_preference),
    (("messages",), _chat),
    (("conversations",), _chat),
    (("prompt", "choices"), _choices),
    (("instruction", "output"), _instructed("input", "output")),
    (("instruction", "context", "response"), _instructed("context", "response")),  # as Databricks' Dolly has it
    *(((prompt, completion), _pair(prompt, completion)) for prompt, completion in PAIRS),
    (_PLAIN, _plain),
)
