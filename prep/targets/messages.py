"""Messages as targets want them, with a count of every change."""

import json
from dataclasses import dataclass
from typing import Any

from prep.targets.profile import CannotHold, Job
from prep.targets.rows import ExportRow, Message

REASONING_KEY = "reasoning_content"
"""What most chat templates, and so the libraries that train with them, call what a turn thinks."""
_ORDER = ("role", "content", REASONING_KEY, "refusal", "name", "tool_calls", "function_call", "tool_call_id", "weight", "train")


@dataclass(frozen=True, slots=True)
class MessageShape:
    """What a target has a place for in a message.

    Attributes:
        keys: keys beside role and content.
        developer: it knows the role `developer`; otherwise that becomes `system`.
        refusal_parts: a refusal can stand as a part of the content; otherwise it becomes text.
    """

    keys: frozenset[str]
    developer: bool = True
    refusal_parts: bool = True


def shaped(messages: list[Message], shape: MessageShape, job: Job) -> list[Message]:
    """Returns messages with what the target has a place for; what it has none for is counted in `job.changed`."""
    return [_shaped(message, shape, job) for message in messages]


def _shaped(message: Message, shape: MessageShape, job: Job) -> Message:
    made = dict(message)
    if made["role"] == "developer" and not shape.developer:
        made["role"] = "system"
        job.changed["developer_as_system"] += 1
    if REASONING_KEY in shape.keys and "reasoning" in made:
        made[REASONING_KEY] = made.pop("reasoning")
    refusal = made.pop("refusal", None)
    if refusal and made["content"]:
        job.changed["refusal_beside_content_removed"] += 1
    elif refusal and shape.refusal_parts:
        made["content"] = [{"type": "refusal", "refusal": refusal}]
    elif refusal:
        made["content"] = refusal
        job.changed["refusal_as_text"] += 1
    for key in [key for key in made if key not in shape.keys and key not in {"role", "content"}]:
        del made[key]
        job.changed[f"{key}_removed"] += 1
    return {key: made[key] for key in (*_ORDER, *sorted(made.keys() - set(_ORDER))) if key in made}


def chat_row(row: ExportRow, shape: MessageShape, job: Job) -> dict[str, Any]:
    """Returns `messages`, and `tools` where the row declares some."""
    assert row.messages is not None
    tools = {"tools": row.tools} if row.tools else {}
    return {"messages": shaped(row.messages, shape, job), **tools}


def preference_parts(row: ExportRow, shape: MessageShape, job: Job) -> tuple[list[Message], list[Message], list[Message]]:
    """Returns the input, the preferred and the other output of a preference row.

    Raises:
        CannotHold: the row has no input, only the two outputs.
    """
    assert row.chosen is not None
    assert row.rejected is not None
    if not row.messages:
        raise CannotHold("no_input")
    chosen, rejected = shaped(row.chosen, shape, job), shaped(row.rejected, shape, job)
    return shaped(row.messages, shape, job), chosen, rejected


def judged_parts(row: ExportRow, shape: MessageShape, job: Job) -> tuple[list[Message], Message, bool]:
    """Returns the prompt, the answer and whether it is wanted, of a row whose answer is judged by itself.

    Raises:
        CannotHold: the row has no prompt, only the answer.
    """
    assert row.messages is not None
    assert row.wanted is not None
    *asked, answer = shaped(row.messages, shape, job)
    if not asked:
        raise CannotHold("no_input")
    return asked, answer, row.wanted


def prompt_and_target(row: ExportRow) -> tuple[str, str]:
    """Returns the prompt and what follows it.

    Raises:
        CannotHold: the target stands within the prompt, in place of a mask.
    """
    assert row.prompt is not None
    if row.mask is not None:
        raise CannotHold("cloze")
    return row.prompt, row.target or ""


def require_last_turn_only(row: ExportRow) -> None:
    """Lets a row pass whose last message is the only one that is trained.

    Raises:
        CannotHold: other turns are trained, or the last one is not.
    """
    trained = [message.get("weight") != 0 for message in row.messages or () if message["role"] == "assistant"]
    last = (row.messages or [{"role": ""}])[-1]
    if last["role"] != "assistant" or trained.count(True) != 1 or not trained[-1]:
        raise CannotHold("weight")


def without_weights(messages: list[Message]) -> list[Message]:
    """Returns messages without their weights, where the layout of the row says what is trained."""
    return [{key: value for key, value in message.items() if key != "weight"} for message in messages]


def compact(value: object) -> str:
    """Returns a value as JSON text on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
