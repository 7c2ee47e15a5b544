"""Rules for axolotl's rows."""

import json
from dataclasses import dataclass, field
from typing import Any

from prep.targets.checks.chat import ChatRules, check_chat, check_messages, check_row_tools
from prep.targets.checks.columns import FormGuard
from prep.targets.checks.rules import Findings, kind_of

AXOLOTL_FORMS: dict[str, tuple[str, ...]] = {
    "chat": ("messages",),
    "chat (conversations)": ("conversations",),
    "preference": ("messages", "chosen", "rejected"),
    "segments": ("segments",),
    "text": ("text",),
}
_RULES = ChatRules(
    row_keys=None, message_keys=None, reads_weights=False, must_end_on_assistant=False, arguments_as_objects=True, checks_calls=False
)


@dataclass(slots=True)
class AxolotlChecker:
    """Checks rows of the type that the first one has."""

    guard: FormGuard = field(default_factory=lambda: FormGuard(AXOLOTL_FORMS))

    def __call__(self, row: dict[str, Any], found: Findings) -> None:
        """Checks one row."""
        form = self.guard.form(row, found)
        if form == "text" and not isinstance(row["text"], str):
            found.error("text", "column.type", f"'text' is a text, not {kind_of(row['text'])}")
        elif form == "segments":
            _check_segments(row["segments"], found)
        elif form == "preference":
            _check_pair(row, found)
        elif form is not None and form != "text":
            key = AXOLOTL_FORMS[form][0]
            check_chat(_with_parsed_parameters(row), _RULES, found, key=key)
            _check_train(row[key], key, found)


def _check_train(messages: object, path: str, found: Findings) -> None:
    trained = 0
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        if not isinstance(message, dict):
            continue
        train = message.get("train")
        if train is not None and not isinstance(train, bool):
            found.error(f"{path}[{index}].train", "train.type", f"'train' is true or false, not {kind_of(train)}")
        # A turn that does not say is trained by its role, unless a part of it is picked out.
        trained += bool(message.get("train_detail")) or train is True or (train is None and message.get("role") == "assistant")
    if isinstance(messages, list) and messages and not trained:
        found.error(path, "train.none_trained", "no message of the row is trained")


def _check_segments(segments: object, found: Findings) -> None:
    if not isinstance(segments, list) or not segments:
        found.error("segments", "column.type", "segments are a list that is not empty")
        return
    for index, segment in enumerate(segments):
        where = f"segments[{index}]"
        if not isinstance(segment, dict) or not isinstance(segment.get("text"), str):
            found.error(f"{where}.text", "column.type", "a segment has a text")
        elif not isinstance(segment.get("label"), bool):
            found.error(f"{where}.label", "label.type", "a segment's label is true where it is trained, else false")
    if not any(isinstance(segment, dict) and segment.get("label") is True for segment in segments):
        found.error("segments", "train.none_trained", "no segment of the row is trained")


def _check_pair(row: dict[str, Any], found: Findings) -> None:
    box = check_row_tools(row, "", _RULES, found)
    check_messages(row["messages"], "messages", box, _RULES, found)
    for key in ("chosen", "rejected"):
        answer = row[key]
        if isinstance(answer, dict):
            answer = [answer]
            for path, message in check_messages(answer, key, box, _RULES, found):
                if message.get("role") in _RULES.roles and message.get("role") != "assistant":
                    found.error(f"{path.removesuffix('[0]')}.role", "preference.output_role", "an output is the assistant's")
        elif isinstance(answer, list):
            check_messages(answer, key, box, _RULES, found)
        elif not isinstance(answer, str):
            found.error(key, "column.type", f"'{key}' is a message, a list of messages or a text, not {kind_of(answer)}")
    if row["chosen"] == row["rejected"]:
        found.error("rejected", "preference.same", "the two outputs are the same")


def _with_parsed_parameters(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row whose tools have their parameters as objects, where they are JSON text."""
    tools = row.get("tools")
    if not isinstance(tools, list):
        return row
    return {**row, "tools": [_parsed(tool) for tool in tools]}


def _parsed(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("parameters"), str):
        return tool
    try:
        return {**tool, "function": {**function, "parameters": json.loads(function["parameters"])}}
    except (ValueError, RecursionError):
        return tool
