"""The target openai."""

from prep.export.service import ChatService
from prep.validate.chat import ChatRules


class OpenAI(ChatService):
    """Chat and preference rows for OpenAI's fine-tuning, and for all who take the same."""

    name = "openai"
    title = "OpenAI fine-tuning"
    rules = ChatRules()
