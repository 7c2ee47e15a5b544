"""The target llamafactory."""

import json
import re
from pathlib import Path
from typing import Any

from prep.targets.checks.llamafactory import INFO_NAME, Layout, LlamaFactoryChecker, read_layout
from prep.targets.checks.rules import Findings
from prep.targets.checks.sharegpt import Tags
from prep.targets.messages import (
    MessageShape,
    chat_row,
    compact,
    judged_parts,
    preference_parts,
    prompt_and_target,
    require_last_turn_only,
)
from prep.targets.profile import CannotHold, Checker, Job, Profile
from prep.targets.rows import ExportRow, Message
from templates.form import Form

_SHAPE = MessageShape(frozenset({"tool_calls", "tool_call_id", "weight"}), developer=False, refusal_parts=False)
_TAGS = Tags()
_ROLES = {"user": _TAGS.user_tag, "assistant": _TAGS.assistant_tag, "tool": _TAGS.observation_tag}
# Form -> what dataset_info.json says of the files.
_INFO: dict[Form, dict[str, Any]] = {
    Form.CHAT: {"formatting": "sharegpt", "columns": {"messages": "conversations", "system": "system", "tools": "tools"}},
    Form.PREFERENCE: {
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected", "system": "system", "tools": "tools"},
    },
    Form.UNPAIRED: {
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "kto_tag": "kto_tag", "system": "system", "tools": "tools"},
    },
    Form.VERBALIZER: {"columns": {"prompt": "instruction", "response": "output"}},
    Form.COMPLETION: {"columns": {"prompt": "text"}},
}


class LlamaFactory(Profile):
    """Conversations of `from` and `value`, pairs, prompts and texts, with the `dataset_info.json` that describes them.

    LLaMA-Factory reads no weights: where only the last turn of every row is trained, `mask_history: true` says so in its own config.
    """

    name = "llamafactory"
    title = "LLaMA-Factory"
    forms = (Form.CHAT, Form.PREFERENCE, Form.UNPAIRED, Form.VERBALIZER, Form.COMPLETION)
    beside = (INFO_NAME,)
    left_out_rules = frozenset({"roles.alternation", "tool_calls.type"})

    def convert(self, row: ExportRow, job: Job) -> dict[str, Any]:
        """Returns a row of the form's layout."""
        if job.form is Form.COMPLETION:
            return {"text": row.text}
        if job.form is Form.VERBALIZER:
            prompt, target = prompt_and_target(row)
            return {"instruction": prompt, "output": target}
        tools = compact([tool.get("function", tool) for tool in row.tools]) if row.tools else ""
        if job.form is Form.PREFERENCE:
            given, preferred, other = preference_parts(row, _SHAPE, job)
            if len(preferred) != 1 or len(other) != 1:
                raise CannotHold("preference.output_count")
            system, turns = _conversation(given)
            sides = {"chosen": _turn(preferred[0]), "rejected": _turn(other[0])}
            return {"conversations": turns, **sides, "system": system, "tools": tools}
        if job.form is Form.UNPAIRED:
            asked, answer, wanted = judged_parts(row, _SHAPE, job)
            system, turns = _conversation([*asked, answer])
            return {"conversations": turns, "kto_tag": wanted, "system": system, "tools": tools}
        if job.has_untrained_turns:
            require_last_turn_only(row)
        system, turns = _conversation(chat_row(row, _SHAPE, job)["messages"])
        return {"conversations": turns, "system": system, "tools": tools}

    def checker(self) -> Checker:
        """Returns what checks conversations."""
        return LlamaFactoryChecker(Layout())

    def file_checker(self, path: Path, found: Findings) -> Checker:
        """Returns what checks rows by the `dataset_info.json` beside the file."""
        return LlamaFactoryChecker(read_layout(path, found))

    def own_checker(self, form: Form) -> Checker:
        """Returns what checks rows by what `dataset_info.json` is going to say."""
        return LlamaFactoryChecker(Layout.from_info(_INFO[form], Findings()))

    def write_beside(self, folder: Path, job: Job, files: dict[str, list[str]]) -> None:
        """Writes `dataset_info.json`, with an entry a file."""
        name = re.sub(r"[^\w.-]+", "-", job.name)  # its `dataset:` is a list with commas
        entries = {f"{name}-{split}": {"file_name": path, **_INFO[job.form]} for split, paths in files.items() for path in paths}
        (folder / INFO_NAME).write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _conversation(messages: list[Message]) -> tuple[str, list[dict[str, str]]]:
    """Returns the system text and the turns."""
    system = str(messages[0]["content"]) if messages[0]["role"] == "system" else ""
    return system, [_turn(message) for message in messages[1 if messages[0]["role"] == "system" else 0 :]]


def _turn(message: Message) -> dict[str, str]:
    calls = message.get("tool_calls")
    if message["role"] not in _ROLES:
        raise CannotHold(f"role_{message['role']}")
    if not calls:
        return {_TAGS.role_tag: _ROLES[message["role"]], _TAGS.content_tag: str(message["content"])}
    if message["content"]:
        raise CannotHold("text_beside_call")
    return {_TAGS.role_tag: _TAGS.function_tag, _TAGS.content_tag: _call_text(calls)}


def _call_text(calls: list[dict[str, Any]]) -> str:
    """Returns calls as JSON text: one as an object, several as a list."""
    try:
        made = [{"name": call["function"]["name"], "arguments": json.loads(call["function"]["arguments"])} for call in calls]
    except (KeyError, TypeError, ValueError) as error:
        raise CannotHold("call_unreadable") from error
    return compact(made[0] if len(made) == 1 else made)
