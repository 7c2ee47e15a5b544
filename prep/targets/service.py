"""What the hosted services share: chats as OpenAI writes them, one object a line."""

from abc import abstractmethod
from typing import Any, ClassVar

from prep.sources.shapes.legal import OPENAI_MESSAGE_KEYS
from prep.targets.checks.chat import ChatRules, check_chat
from prep.targets.checks.limits import MAX_UPLOAD_BYTES, MIN_ROWS
from prep.targets.checks.preference import check_preference, is_preference
from prep.targets.checks.rules import Findings
from prep.targets.messages import MessageShape, chat_row, preference_parts
from prep.targets.profile import Checker, Job, Profile
from prep.targets.rows import ExportRow
from templates.form import Form


class ChatService(Profile):
    """A hosted service that takes OpenAI's chat and preference rows."""

    forms: ClassVar[tuple[Form, ...]] = (Form.CHAT, Form.PREFERENCE)
    min_rows = MIN_ROWS
    max_bytes = MAX_UPLOAD_BYTES
    lines_only = True
    shape: ClassVar[MessageShape] = MessageShape(OPENAI_MESSAGE_KEYS)

    @property
    @abstractmethod
    def rules(self) -> ChatRules:
        """What the service asks of a chat."""

    def convert(self, row: ExportRow, job: Job) -> dict[str, Any]:
        """Returns a chat or preference row."""
        if job.form is Form.CHAT:
            return chat_row(row, self.shape, job)
        given, preferred, other = preference_parts(row, self.shape, job)
        tools = {"tools": row.tools} if row.tools else {}
        return {"input": {"messages": given, **tools}, "preferred_output": preferred, "non_preferred_output": other}

    def checker(self) -> Checker:
        """Returns what checks chats, or preference rows where the first row is one."""
        first_is_preference: bool | None = None

        def check(row: dict[str, Any], found: Findings) -> None:
            nonlocal first_is_preference
            preference = is_preference(row)
            if first_is_preference is None:
                first_is_preference = preference
            if preference != first_is_preference:
                kinds = ("a chat", "a preference row")
                found.error("", "form.mixed", f"this is {kinds[preference]}; the file began with {kinds[first_is_preference]}")
            elif preference:
                check_preference(row, self.rules, found)
            else:
                check_chat(row, self.rules, found)

        return check
