"""The target openai."""

from prep.targets.checks.chat import ChatRules
from prep.targets.service import ChatService


class OpenAI(ChatService):
    """Chat and preference rows for OpenAI's fine-tuning, and for all who take the same."""

    name = "openai"
    title = "OpenAI fine-tuning"
    rules = ChatRules()
