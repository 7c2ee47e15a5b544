"""The losses of a pair of answers, of which one is preferred. Each is a formula of the two answers' log-probabilities."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from train.config import TrainConfig
    from train.objectives.base import TokenScores

# The odds of an answer whose tokens are all certain are infinite; here is the most that float32 tells from that.
_MOST_CERTAIN = -1e-7


@dataclass(frozen=True, slots=True)
class PairLoss:
    """What a loss says of R pairs.

    Attributes:
        losses: of each pair, float32 [R], differentiable.
        leads: by how much the preferred answer is ahead, in the loss's own terms (nats), float32 [R].
    """

    losses: "torch.Tensor"
    leads: "torch.Tensor"


def dpo(scores: "TokenScores", config: "TrainConfig") -> PairLoss:
    """Direct preference optimisation: `-log sigmoid(beta * (r_chosen - r_rejected))`, where r is log p(answer) - log p_reference(answer).

    Source: Rafailov et al., 2023, equation 7. With `dpo.length_normalized` each r is divided by the number of its answer's tokens, so that
    beta has to be larger: the normalised DPO of Lambert et al., 2024 (Tulu 3), section 5.1.
    """
    from torch.nn import functional

    assert scores.reference is not None, "the loss needs the reference's log-probabilities"
    ratios = scores.sequence_logprobs() - scores.reference
    leads = scores.by_row(scores.signs * (ratios / _lengths(scores) if config.dpo.length_normalized else ratios))
    return PairLoss(-functional.logsigmoid(config.dpo.beta * leads), leads)


def orpo(scores: "TokenScores", config: "TrainConfig") -> PairLoss:
    """Odds ratio preference optimisation: `-log p(chosen) - weight * log sigmoid(log odds(chosen) - log odds(rejected))`.

    log p is the mean log-probability of an answer's tokens, and odds are p / (1 - p). No reference is needed.
    Source: Hong et al., 2024, equations 3 to 7; `orpo.weight` is its lambda.
    """
    import torch
    from torch.nn import functional

    means = (scores.sequence_logprobs() / _lengths(scores)).clamp(max=_MOST_CERTAIN)
    leads = scores.by_row(scores.signs * (means - torch.log(-torch.expm1(means))))
    likelihood = scores.by_row(torch.where(scores.signs > 0, means, torch.zeros_like(means)))
    return PairLoss(-likelihood - config.orpo.weight * functional.logsigmoid(leads), leads)


def simpo(scores: "TokenScores", config: "TrainConfig") -> PairLoss:
    """Simple preference optimisation: `-log sigmoid(beta * (m_chosen - m_rejected) - gamma)`.

    m is the mean log-probability of an answer's tokens. No reference is needed. Source: Meng et al., 2024, equation 6.
    """
    from torch.nn import functional

    leads = scores.by_row(scores.signs * scores.sequence_logprobs() / _lengths(scores))
    return PairLoss(-functional.logsigmoid(config.simpo.beta * leads - config.simpo.gamma), leads)


PAIR_LOSSES: "dict[str, Callable[[TokenScores, TrainConfig], PairLoss]]" = {"dpo": dpo, "orpo": orpo, "simpo": simpo}


def _lengths(scores: "TokenScores") -> "torch.Tensor":
    """The number of each answer's tokens, by their weights: [S]."""
    return scores.by_sequence(scores.weights)
