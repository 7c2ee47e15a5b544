"""Supervised fine-tuning on chats."""

from typing import TYPE_CHECKING, Any

from prep.messages import messages_of
from templates.chat import Encoded, encode_chat
from templates.form import Form
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
    form = Form.CHAT

    def encode(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> Encoded:
        """Encodes the conversation as a whole, once."""
        found = messages_of(example)
        return encode_chat(tokenizer, found.said(), found.tools)

    def loss(self, scores: TokenScores) -> "torch.Tensor":
        """Returns the weighted sum of the tokens' negative log-likelihoods."""
        return -(scores.logprobs * scores.weights).sum()
