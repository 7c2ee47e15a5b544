"""Supervised fine-tuning on chats."""

from typing import TYPE_CHECKING, Any

from templates.chat import Encoded, chat_messages, encode_chat
from train.objective import Objective, TokenScores

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class Chat(Objective):
    """The weighted negative log-likelihood of the assistant's turns, each with its end-of-turn token.

    ## What it trains
    Every assistant turn of `messages`, its tool calls included, in the model's own chat template. System, user and tool turns, turns of
    weight 0 (demonstrations among them) and all role headers are not trained.

    ## When to use it
    Wherever the model is to answer in the way that the examples answer.
    """

    name = "chat"
    form = "chat"
    column = "messages"

    def encode(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> Encoded:
        """Encodes the conversation as a whole, once."""
        return encode_chat(tokenizer, *chat_messages(example["messages"], example["extras"]))

    def loss(self, scores: TokenScores) -> "torch.Tensor":
        """Returns the weighted sum of the tokens' negative log-likelihoods."""
        return -(scores.logprobs * scores.weights).sum()
