"""The target axolotl."""

from pathlib import Path
from typing import Any

import yaml

from prep.targets.checks.axolotl import AxolotlChecker
from prep.targets.messages import MessageShape, chat_row, compact, preference_parts, prompt_and_target
from prep.targets.profile import CannotHold, Checker, Job, Profile
from prep.targets.rows import ExportRow, Message
from templates.form import Form

CONFIG_NAME = "axolotl.yaml"
_SHAPE = MessageShape(frozenset({"name", "tool_calls", "tool_call_id", "weight"}), refusal_parts=False)
_PAIR_SHAPE = MessageShape(frozenset(), refusal_parts=False)
_COLUMNS = {"field_messages": "messages", "message_property_mappings": {"role": "role", "content": "content"}}
# Form -> what axolotl.yaml says of the files.
_STANZAS: dict[Form, dict[str, Any]] = {
    Form.CHAT: {
        "type": "chat_template",
        "chat_template": "tokenizer_default",
        **_COLUMNS,
        "field_tools": "tools",
        "roles_to_train": ["assistant"],
        "train_on_eos": "turn",
        "message_field_training": "train",
    },
    Form.PREFERENCE: {"type": "chat_template.default", **_COLUMNS, "field_chosen": "chosen", "field_rejected": "rejected"},
    Form.VERBALIZER: {"type": "input_output"},
    Form.COMPLETION: {"type": "completion", "field": "text"},
}


class Axolotl(Profile):
    """Rows for axolotl, and the `datasets:` of its config. Each turn says whether it is trained; a verbalizer's prompt is never."""

    name = "axolotl"
    title = "axolotl"
    forms = (Form.CHAT, Form.PREFERENCE, Form.VERBALIZER, Form.COMPLETION)
    beside = (CONFIG_NAME,)

    def convert(self, row: ExportRow, job: Job) -> dict[str, Any]:
        """Returns a row of the form's type."""
        if job.form is Form.COMPLETION:
            return {"text": row.text}
        if job.form is Form.VERBALIZER:
            prompt, target = prompt_and_target(row)
            return {"segments": [{"label": False, "text": prompt}, {"label": True, "text": target}]}
        if job.form is Form.PREFERENCE:
            return _pair(row, job)
        chat = chat_row(row, _SHAPE, job)
        tools = {"tools": [_with_text_parameters(tool) for tool in chat["tools"]]} if row.tools else {}
        return {"messages": [_with_train(message) for message in chat["messages"]], **tools}

    def checker(self) -> Checker:
        """Returns what checks rows of any of the types."""
        return AxolotlChecker()

    def write_beside(self, folder: Path, job: Job, files: dict[str, list[str]]) -> None:
        """Writes the stanza to copy into axolotl's config; paths in it are relative to this folder."""
        config: dict[str, Any] = {"rl": "dpo"} if job.form is Form.PREFERENCE else {}
        for key, splits in (("datasets", ("train",)), ("test_datasets", ("validation", "test"))):
            stanzas = [
                {"path": path, "ds_type": "json", "split": "train", **_STANZAS[job.form]}
                for split in splits
                for path in files.get(split, ())
            ]
            if stanzas:
                config[key] = stanzas
        (folder / CONFIG_NAME).write_text(_dump(config), encoding="utf-8")


def _pair(row: ExportRow, job: Job) -> dict[str, Any]:
    given, preferred, other = preference_parts(row, _PAIR_SHAPE, job)
    if any(message.get("tool_calls") for message in row.messages or ()):
        raise CannotHold("tool_calls")  # the pair's loader reads role and content alone
    if len(preferred) != 1 or len(other) != 1:
        raise CannotHold("preference.output_count")
    return {"messages": given, "chosen": preferred[0], "rejected": other[0]}


def _with_train(message: Message) -> Message:
    train = message["role"] == "assistant" and message.get("weight") != 0
    return {**{key: value for key, value in message.items() if key != "weight"}, "train": train}


def _with_text_parameters(tool: dict[str, Any]) -> dict[str, Any]:
    """Writes parameters as JSON text, which axolotl parses: those of two tools have different keys, and a column has one type."""
    function = tool.get("function")
    if not isinstance(function, dict) or "parameters" not in function:
        return tool
    return {**tool, "function": {**function, "parameters": compact(function["parameters"])}}


def _dump(config: dict[str, Any]) -> str:
    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _data: Any) -> bool:
            return True

    return yaml.dump(config, Dumper=Dumper, sort_keys=False, allow_unicode=True)
