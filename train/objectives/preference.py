"""Learning from pairs of answers of which one is preferred."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from templates.form import Form
from train.objectives.answers import encode_pair
from train.objectives.base import Objective, TokenScores, TokenSequence
from train.objectives.pair_losses import PAIR_LOSSES

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from train.config import TrainConfig


class Preference(Objective):
    """The preferred of two answers becomes likelier than the other: DPO, ORPO or SimPO.

    ## What it trains
    The answers `chosen` and `rejected`, each behind the same `messages` in the model's own chat template, with their end-of-turn tokens.
    The messages before them are read and not scored. A pair counts as one, however long its answers are.

    `loss: dpo`, the default, compares with the model that the run began with, whose log-probabilities are computed once, before the first
    step; so the first loss is ln 2. `orpo` and `simpo` compare the two answers alone.

    ## When to use it
    Where of two answers it is known which is better. DPO and SimPO start from a model that answers in the right way already, which a run
    of `chat` gives; ORPO trains that, too.

    ## Learning rate
    A tenth of that of `chat`: what is compared has no end, so that a fast run drives both answers' likelihoods down, and the text that
    the model writes with them. (TRL 1.16's default for DPO is a twentieth of that for chats.)
    """

    name = "preference"
    form = Form.PREFERENCE
    losses = tuple(PAIR_LOSSES)
    learning_rate_factor = 0.1

    def __init__(self, config: "TrainConfig") -> None:
        super().__init__(config)
        self.needs_reference = self.loss_name == "dpo"
        # DPO and SimPO are a log-sigmoid of the lead, the latter shifted by gamma; ORPO has the likelihood in it.
        self.even_loss = {"dpo": math.log(2), "simpo": math.log1p(math.exp(config.simpo.gamma))}.get(self.loss_name)

    @override
    def encode(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        """Encodes each answer behind the messages that both follow."""
        return encode_pair(tokenizer, example, TokenSequence.causal)

    @override
    def normalizer(self, sequences: Sequence[TokenSequence]) -> float:
        """Counts each pair once."""
        return 1.0

    @override
    def row_losses(self, scores: TokenScores) -> "torch.Tensor":
        """Returns the loss of each pair."""
        return PAIR_LOSSES[self.loss_name](scores, self.config).losses

    @override
    def margins(self, scores: TokenScores) -> "tuple[torch.Tensor, torch.Tensor]":
        """Returns by how much the preferred answer is ahead, by what the loss compares."""
        leads = PAIR_LOSSES[self.loss_name](scores, self.config).leads
        return leads, leads
