"""Learning to score answers from pairs of which one is preferred."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from templates.form import Form
from train.objectives.answers import encode_pair
from train.objectives.base import Objective, TokenScores, TokenSequence
from train.runs.record import SEQUENCE_CLASSIFIER

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class Reward(Objective):
    """A reward model: it gives a conversation one number, and the preferred of two answers the higher one.

    `-log sigmoid(score(chosen) - score(rejected))`, by which the preferred answer wins with the odds that its lead says (Bradley and
    Terry, 1952; as in Ouyang et al., 2022, equation 1).

    ## What it trains
    The adapter and a new head of one output, `score`, in place of the one that predicts tokens. It reads each conversation, in the model's
    own chat template, at its last token. What comes out is an `AutoModelForSequenceClassification` with one label.

    ## When to use it
    To rank answers, or as the reward of a reinforcement learner. It writes no answers itself.

    ## Learning rate
    A fifth of that of `chat`, 1e-4 for an adapter, as in TRL 1.16: pairs are soon learned by heart, and the new head learns at any rate.

    ## Known problems
    Transformers looks for the last token that is not the model's padding token. Where a chat template ends on a token that pads as well, a
    model that is loaded elsewhere needs another `pad_token_id` in its config, or it reads one token earlier.
    """

    name = "reward"
    form = Form.PREFERENCE
    auto_class = SEQUENCE_CLASSIFIER
    reads = "values"
    learning_rate_factor = 0.2
    even_loss = math.log(2)

    @override
    def encode(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        """Encodes each answer behind the messages that both follow."""
        return encode_pair(tokenizer, example, TokenSequence.whole)

    @override
    def normalizer(self, sequences: Sequence[TokenSequence]) -> float:
        """Counts each pair once."""
        return 1.0

    @override
    def row_losses(self, scores: TokenScores) -> "torch.Tensor":
        """Returns the negative log-likelihood that the preferred answer wins."""
        from torch.nn import functional

        return -functional.logsigmoid(self.margins(scores)[0])

    @override
    def margins(self, scores: TokenScores) -> "tuple[torch.Tensor, torch.Tensor]":
        """Returns by how much the preferred answer's score is higher."""
        assert scores.values is not None, "a model with a head of one output gives them"
        leads = scores.by_row(scores.signs * scores.values)
        return leads, leads
