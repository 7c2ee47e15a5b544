"""The target together."""

from typing import Any

from prep.sources.list_columns import OUTPUTS
from prep.targets.checks.chat import ChatRules, check_chat, check_keys
from prep.targets.checks.columns import FormGuard
from prep.targets.checks.order import strict_alternation
from prep.targets.checks.preference import check_preference, with_new_names
from prep.targets.checks.rules import Findings, kind_of
from prep.targets.messages import MessageShape, prompt_and_target
from prep.targets.profile import Checker, Job
from prep.targets.rows import ExportRow
from prep.targets.service import ChatService
from templates.form import Form

_FORMS = {
    "chat": ("messages",),
    "instruction": ("prompt", "completion"),
    "preference": ("input", *OUTPUTS),
    "text": ("text",),
}
_MESSAGE_KEYS = frozenset({"role", "content", "weight", "tool_calls", "tool_call_id"})


class Together(ChatService):
    """Chats in which user and assistant alternate, prompts with completions, texts, and pairs of single answers."""

    name = "together"
    title = "Together AI fine-tuning"
    forms = (Form.CHAT, Form.PREFERENCE, Form.VERBALIZER, Form.COMPLETION)
    shape = MessageShape(_MESSAGE_KEYS, developer=False, refusal_parts=False)
    rules = ChatRules(
        roles=("system", "user", "assistant", "tool"),
        row_keys=frozenset({"messages", "tools"}),
        message_keys=_MESSAGE_KEYS,
        order=strict_alternation,
    )
    left_out_rules = frozenset({"roles.alternation", "preference.output_count"})

    def convert(self, row: ExportRow, job: Job) -> dict[str, Any]:
        """Returns a row of any of the four kinds."""
        if job.form is Form.VERBALIZER:
            prompt, target = prompt_and_target(row)
            return {"prompt": prompt, "completion": target}
        return {"text": row.text} if job.form is Form.COMPLETION else super().convert(row, job)

    def checker(self) -> Checker:
        """Returns what checks rows by the keys that the first one has."""
        guard = FormGuard(_FORMS)

        def check(row: dict[str, Any], found: Findings) -> None:
            form = guard.form(with_new_names(row), found)
            if form == "chat":
                check_chat(row, self.rules, found)
            elif form == "preference":
                check_preference(row, self.rules, found, one_message=True)
            elif form is not None:
                check_keys(row, frozenset(_FORMS[form]), "", "row.unknown_key", found)
                for column in _FORMS[form]:
                    if not isinstance(row[column], str):
                        found.error(column, "column.type", f"'{column}' is a text, not {kind_of(row[column])}")

        return check
