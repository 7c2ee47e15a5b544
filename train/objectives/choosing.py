"""What the objectives share whose examples are a choice among K texts: the softmax over them, or the likelihood of the right one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from templates.chat import EncodeError
from templates.raw_text import require_label, targets_of
from train.objectives.base import Objective, TokenScores, TokenSequence

if TYPE_CHECKING:
    import torch


class Choosing(Objective):
    """The right one of K choices, each a sequence whose score is the sum of its supervised tokens' log-probabilities.

    A row of several sequences is a choice: its loss is the cross-entropy of a softmax over their scores. A row of one sequence is a
    target: its loss is the negative log-likelihood of its tokens. The mean is over decisions: a choice is one, each token of a target is.
    """

    def texts_to_score(self, example: dict[str, Any]) -> list[tuple[str, str, int]]:
        """Returns what the sequences of a row are to say: name, text and sign of each.

        All choices, or under `verbalizer_loss: target` the right one alone; of a row without choices its target.

        Raises:
            EncodeError: the label is outside the verbalizer, or the row has no target.
        """
        target, choices, label = example["target"], example["choices"], example["label"]
        if target is None:
            raise EncodeError("the row has a prompt and no target", remedy="Give the template a {% target %}.")
        if choices is None:
            return [("", target, 1)]
        require_label(choices, label, target)
        if self.config.verbalizer_loss == "target":
            return [("", target, 1)]
        texts = targets_of(choices, label, target)
        return [(choice, text, 1 if place == label else -1) for place, (choice, text) in enumerate(zip(choices, texts, strict=True))]

    @override
    def normalizer(self, sequences: Sequence[TokenSequence]) -> float:
        """Returns 1 for a choice, and the sum of the weights for a target."""
        return 1.0 if len(sequences) > 1 else super().normalizer(sequences)

    @override
    def row_losses(self, scores: TokenScores) -> "torch.Tensor":
        """Returns the cross-entropy of each choice, and of each target the negative log-likelihood, in nats."""
        values = scores.sequence_logprobs()
        right = scores.by_row(values.where(scores.signs > 0, 0.0))
        return scores.logsumexp_by_row(values).where(_is_choice(scores), 0.0) - right

    @override
    def margins(self, scores: TokenScores) -> "tuple[torch.Tensor, torch.Tensor]":
        """Returns by how much the right choice's score leads the best other's; of a target the margins of its tokens."""
        values = scores.sequence_logprobs()
        right, wrong = (scores.max_by_row(values.where(scores.signs == sign, float("-inf"))) for sign in (1, -1))
        is_choice = _is_choice(scores)
        mean, least = super().margins(scores)
        return (right - wrong).where(is_choice, mean), (right - wrong).where(is_choice, least)


def _is_choice(scores: TokenScores) -> "torch.Tensor":
    """Returns which rows have several sequences, bool [R]."""
    return scores.by_row(scores.signs.abs()) > 1
