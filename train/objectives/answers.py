"""One answer behind the messages that it answers, as sequences of tokens: what every objective that judges whole answers trains on."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from prep.dataset.messages import messages_of
from templates.chat import Encoded, EncodeError, Message, Tools, encode_chat
from train.objectives.base import TokenSequence

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class MakeSequence(Protocol):
    """Makes a sequence of an encoded conversation: one of the constructors of `TokenSequence`."""

    def __call__(self, encoded: Encoded, name: str = "", sign: int = 1) -> TokenSequence:
        """Makes the sequence."""


def encode_answer(
    tokenizer: "PreTrainedTokenizerBase", asked: Sequence[Message], answer: Sequence[Message], tools: Tools | None = None
) -> Encoded:
    """Encodes a conversation of which the answer alone is scored: its assistant turns, each with its end-of-turn token.

    Args:
        tokenizer: the model's.
        asked: the messages before the answer; earlier answers among them are read and not scored.
        answer: the messages of the answer.
        tools: the tools that may be called.

    Raises:
        EncodeError: the mask cannot be proven.
    """
    read: list[Message] = [{**message, "weight": 0} if message["role"] == "assistant" else message for message in asked]
    encoded, *others = encode_chat(tokenizer, [*read, *answer], tools)
    if others:
        cause = "the chat template rewrites the first turns of an answer of several turns, so that it cannot be scored as one"
        raise EncodeError(cause, remedy="Give answers of one turn each, the turns before it as messages.")
    return encoded


def encode_pair(
    tokenizer: "PreTrainedTokenizerBase", example: Mapping[str, Any], make: MakeSequence
) -> tuple[TokenSequence, TokenSequence]:
    """Encodes the preferred answer of a pair and the other one, `chosen` and `rejected`, each behind the messages that both follow.

    Raises:
        EncodeError: the mask cannot be proven, or the two answers are equal.
    """
    found = messages_of(example)
    num_asked = len(found.messages)
    asked = found.said()[:num_asked]
    chosen, rejected = (
        encode_answer(tokenizer, asked, found.said(rejected=is_rejected)[num_asked:], found.tools) for is_rejected in (False, True)
    )
    if chosen.input_ids == rejected.input_ids:
        cause = "the preferred answer and the other one are equal, so that nothing is preferred"
        raise EncodeError(cause, remedy="Leave the row out of the dataset: lint names all such rows (LBL804).")
    return make(chosen, "chosen", 1), make(rejected, "rejected", -1)
