"""The target azure."""

from prep.targets.checks.chat import ChatRules
from prep.targets.checks.order import no_consecutive_assistants
from prep.targets.service import ChatService


class Azure(ChatService):
    """As OpenAI's, but an assistant message cannot follow another. Older files carry a byte order mark: it is read, and none is written."""

    name = "azure"
    title = "Azure OpenAI fine-tuning"
    rules = ChatRules(order=no_consecutive_assistants)
    refuses_bom = False
    left_out_rules = frozenset({"roles.consecutive_assistant"})
