"""The target trl."""

import json
from pathlib import Path
from typing import Any

from prep.targets.card import CARD_NAME, write_card
from prep.targets.checks.chat import ChatRules
from prep.targets.checks.columns import TRL_FORMS, ColumnChecker, FormGuard
from prep.targets.messages import (
    REASONING_KEY,
    MessageShape,
    chat_row,
    compact,
    judged_parts,
    preference_parts,
    prompt_and_target,
    require_last_turn_only,
    without_weights,
)
from prep.targets.profile import Checker, Job, Profile
from prep.targets.rows import ExportRow, Message
from templates.form import Form

_SHAPE = MessageShape(frozenset({"name", "tool_calls", "tool_call_id", "weight", REASONING_KEY}), refusal_parts=False)
_RULES = ChatRules(
    row_keys=None, message_keys=None, reads_weights=False, must_end_on_assistant=False, checks_calls=False, arguments_as_objects=True
)


class Trl(Profile):
    """Columns as TRL's trainers look for them; the folder loads with `datasets.load_dataset`.

    TRL reads no weights. Where every assistant turn of the dataset is trained, rows have `messages`: train with
    `assistant_only_loss=True`. Where some are not, rows have `prompt` and `completion`, which trains the last turn alone; a row in which
    other turns are trained is left out.
    """

    name = "trl"
    title = "TRL trainers"
    forms = (Form.CHAT, Form.PREFERENCE, Form.UNPAIRED, Form.VERBALIZER, Form.COMPLETION)
    beside = (CARD_NAME,)

    def convert(self, row: ExportRow, job: Job) -> dict[str, Any]:
        """Returns the columns of the form."""
        if job.form is Form.COMPLETION:
            return {"text": row.text}
        if job.form is Form.VERBALIZER:
            prompt, target = prompt_and_target(row)
            return {"prompt": prompt, "completion": target}
        # As text: the parameters of two tools have different keys, and a column has one type.
        tools = {"tools": compact(row.tools)} if row.tools else {}
        if job.form is Form.PREFERENCE:
            given, preferred, other = preference_parts(row, _SHAPE, job)
            return {"prompt": without_weights(_with_objects(given)), "chosen": preferred, "rejected": other, **tools}
        if job.form is Form.UNPAIRED:
            asked, answer, wanted = judged_parts(row, _SHAPE, job)
            asked, answers = (without_weights(_with_objects(messages)) for messages in (asked, [answer]))
            return {"prompt": asked, "completion": answers, "label": wanted, **tools}
        messages = _with_objects(chat_row(row, _SHAPE, job)["messages"])
        if not job.has_untrained_turns:
            return {"messages": without_weights(messages), **tools}
        require_last_turn_only(row)
        messages = without_weights(messages)
        return {"prompt": messages[:-1], "completion": messages[-1:], **tools}

    def checker(self) -> Checker:
        """Returns what checks columns."""
        return ColumnChecker(FormGuard(TRL_FORMS), _RULES)

    def write_beside(self, folder: Path, job: Job, files: dict[str, list[str]]) -> None:
        """Writes a card that tells `load_dataset` which file is which split."""
        write_card(folder, job, files)


def _with_objects(messages: list[Message]) -> list[Message]:
    """Parses the arguments of calls: TRL's chat templates print them, and would quote a text twice."""
    return [
        {**message, "tool_calls": [_with_object(call) for call in message["tool_calls"]]} if message.get("tool_calls") else message
        for message in messages
    ]


def _with_object(call: dict[str, Any]) -> dict[str, Any]:
    try:
        function = call["function"]
        arguments = json.loads(function["arguments"])
    except (KeyError, TypeError, ValueError):
        return call  # the rules will say so
    return {**call, "function": {**function, "arguments": arguments}}
