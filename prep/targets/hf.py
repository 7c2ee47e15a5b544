"""The target hf."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.sources.shapes.legal import OPENAI_MESSAGE_KEYS
from prep.targets.card import CARD_NAME, write_card
from prep.targets.checks.chat import ChatRules
from prep.targets.checks.columns import TRL_FORMS, VERBALIZER_FORM, ColumnChecker, FormGuard
from prep.targets.messages import MessageShape, chat_row, compact, preference_parts
from prep.targets.profile import Checker, Job, Profile
from prep.targets.rows import ExportRow, Message
from prep.targets.writers import ParquetWriter, RowWriter
from templates.form import Form

if TYPE_CHECKING:
    import polars as pl

_SHAPE = MessageShape(OPENAI_MESSAGE_KEYS, refusal_parts=False)
_RULES = ChatRules(row_keys=None, message_keys=OPENAI_MESSAGE_KEYS, must_end_on_assistant=False, checks_calls=False)


class HuggingFace(Profile):
    """Parquet with a card, for `datasets.load_dataset(FOLDER)` and the hub. All that a row has is kept, clozes and weights too."""

    name = "hf"
    title = "Hugging Face dataset folder"
    forms = (Form.CHAT, Form.PREFERENCE, Form.VERBALIZER, Form.COMPLETION)
    beside = (CARD_NAME,)

    def convert(self, row: ExportRow, job: Job) -> dict[str, Any]:
        """Returns the columns of the form, after the example's id."""
        tools = {"tools": compact(row.tools)} if row.tools else {}
        if job.form is Form.CHAT:
            messages = [_with_known_calls(message, job) for message in chat_row(row, _SHAPE, job)["messages"]]
            return {"id": row.id, "messages": messages, **tools}
        if job.form is Form.PREFERENCE:
            given, preferred, other = preference_parts(row, _SHAPE, job)
            given = [_with_known_calls(message, job) for message in given]
            return {"id": row.id, "prompt": given, "chosen": preferred, "rejected": other, **tools}
        if job.form is Form.COMPLETION:
            return {"id": row.id, "text": row.text}
        beside = {"choices": row.choices, "label": row.label, "mask": row.mask}
        return {
            "id": row.id,
            "prompt": row.prompt,
            "target": row.target,
            **{key: value for key, value in beside.items() if value is not None},
        }

    def checker(self) -> Checker:
        """Returns what checks columns."""
        return ColumnChecker(FormGuard({**TRL_FORMS, **VERBALIZER_FORM}), _RULES)

    def open_writer(self, folder: Path, split: str, job: Job) -> RowWriter:
        """Returns what writes parquet."""
        return ParquetWriter(folder, split, _schema(job))

    def write_beside(self, folder: Path, job: Job, files: dict[str, list[str]]) -> None:
        """Writes the card."""
        write_card(folder, job, files)


def _with_known_calls(message: Message, job: Job) -> Message:
    """Keeps of a call what a column of calls has fields for: a column has one type, and what does not fit it would be lost unseen."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list) or not all(isinstance(call, dict) and isinstance(call.get("function"), dict) for call in calls):
        return message  # the rules will say so
    made = []
    for call in calls:
        function = {key: value for key, value in call["function"].items() if key in {"name", "arguments"}}
        kept = {key: value for key, value in call.items() if key in {"id", "type"}}
        if lost := len(call) + len(call["function"]) - len(kept) - len(function) - 1:
            job.changed["call_key_removed"] += lost
        made.append({**kept, "function": function})
    return {**message, "tool_calls": made}


def _schema(job: Job) -> "dict[str, pl.DataType]":
    import polars as pl

    text = pl.String()
    message: dict[str, pl.DataType] = {"role": text, "content": text}
    tools: dict[str, pl.DataType] = {}
    if job.has_extras:
        call = pl.Struct({"name": text, "arguments": text})
        calls = pl.List(pl.Struct({"id": text, "type": text, "function": call}))
        message |= {"name": text, "tool_calls": calls, "function_call": call, "tool_call_id": text, "weight": pl.Int64()}
        tools = {"tools": text}
    messages = pl.List(pl.Struct(message))
    columns: dict[Form, dict[str, pl.DataType]] = {
        Form.CHAT: {"messages": messages, **tools},
        Form.PREFERENCE: {"prompt": messages, "chosen": messages, "rejected": messages, **tools},
        Form.VERBALIZER: {"prompt": text, "target": text, "choices": pl.List(text), "label": pl.Int64(), "mask": text},
        Form.COMPLETION: {"text": text},
    }
    return {"id": text, **columns[job.form]}
