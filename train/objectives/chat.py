"""Supervised fine-tuning on chats."""

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from prep.dataset.messages import messages_of
from templates.chat import encode_chat
from templates.form import Form
from train.objectives.base import Objective, TokenScores, TokenSequence

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
    independent = True

    @override
    def encode(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        """Encodes the conversation as a whole, once; in several sequences where the chat template rewrites what came before."""
        found = messages_of(example)
        encoded = encode_chat(tokenizer, found.said(), found.tools)
        names = [""] if len(encoded) == 1 else [f"sequence {number}" for number in range(1, len(encoded) + 1)]
        return tuple(TokenSequence.causal(one, name) for one, name in zip(encoded, names, strict=True))

    @override
    def row_losses(self, scores: TokenScores) -> "torch.Tensor":
        """Returns the weighted sum of each row's negative log-likelihoods."""
        return scores.by_row(-scores.sequence_logprobs())

    @override
    def loss(self, scores: TokenScores) -> "torch.Tensor":
        """Sums over all tokens at once: rows are not told apart, and no rounding comes in between."""
        return -(scores.logprobs * scores.weights).sum()
