"""Scores of whole sequences: one value of each, which a head of one output reads at its last token."""

from dataclasses import dataclass

import torch
from typing_extensions import override

from train.data.packing import MicroBatch
from train.engine.loss import Scorer
from train.fast.forward import probe_ids
from train.methods.base import value_head
from train.models.heads import into_head
from train.models.load import Model
from train.objectives.base import Objective, TokenScores


@dataclass(frozen=True, slots=True)
class ValueScorer(Scorer):
    """Scores micro-batches with a model that has a head `score`."""

    @override
    def score(self, batch: MicroBatch) -> TokenScores:
        """Returns the value of each sequence, in float32; differentiable where gradients are on."""
        with self._precision():
            hidden = self.read(batch, batch.ends)
        # By its position: what token stands there, and what token pads, plays no part.
        values = value_head(self.causal)(hidden.float()).squeeze(-1)
        nothing = values.new_zeros(0)
        return TokenScores(nothing, nothing, batch.weights, batch.sequences, batch.rows, batch.signs, len(batch.examples), values=values)

    @override
    def _probe(self, length: int) -> torch.Tensor:
        """Returns the hidden states that the head reads, [length, width]."""
        return into_head(self.causal, input_ids=probe_ids(self.causal, length))[0]


def scorer_for(objective: Objective, model: Model, *, exact: bool = False) -> Scorer:
    """Returns the scorer for what an objective reads of a model.

    Args:
        objective: decides that.
        model: as its method prepared it.
        exact: the model's own modules are to compute all.

    Raises:
        UserError: the model's head is not one that can be trained.
    """
    return (ValueScorer if objective.reads == "values" else Scorer).for_model(model, exact=exact)
