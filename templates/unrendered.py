"""What the messages of a chat say beside their content that a model's chat template leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from templates.conversation import Message, Tools
from templates.fitted_chat import fit_chat
from templates.thoughts import thought_format

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Content and calls are refused where they are left out; a weight is none of the chat template's; an id says only which call is answered.
_KNOWN = frozenset({"role", "content", "tool_calls", "weight", "tool_call_id"})
_OTHER = "loopwright-other-end"


@dataclass(frozen=True, slots=True)
class UnrenderedKey:
    """A key of a message that makes no difference to what the model reads.

    Attributes:
        index: the message's, among those that were given.
        key: its name, such as `name`.
    """

    index: int
    key: str


def unrendered_keys(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None = None) -> list[UnrenderedKey]:
    """Finds the keys of messages that the chat template leaves out, by rendering once more with another value for each.

    Raises:
        EncodeError: the chat template refuses the chat, or leaves out a message.
    """
    rendered = fit_chat(tokenizer, messages, tools).render()
    found = []
    for index, message in enumerate(messages):
        for key in message.keys() - _KNOWN:
            if key == "reasoning" and thought_format(tokenizer, tools).key is not None:
                continue  # left out behind a later question, and trained where it stands
            changed: list[Message] = [*messages]
            changed[index] = cast("Message", {**message, key: _OTHER})
            if fit_chat(tokenizer, changed, tools).render() == rendered:
                found.append(UnrenderedKey(index, key))
    return sorted(found, key=lambda one: (one.index, one.key))
