"""What an objective is: how an example becomes tokens with weights, and how token scores become a loss."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from loopwright.registry import Registry
from templates.chat import Encoded

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class TokenScores:
    """What the model gives to the N supervised tokens of a micro-batch, from one forward pass.

    Attributes:
        logprobs: log-probability of each target token in nats, float32 [N], differentiable.
        margins: logprobs minus the log-probability of the best other token, float32 [N]; above zero where the target is the argmax.
        weights: loss weight of each token, float32 [N].
        rows: index of each token's example within the micro-batch, int64 [N].
    """

    logprobs: "torch.Tensor"
    margins: "torch.Tensor"
    weights: "torch.Tensor"
    rows: "torch.Tensor"


class Objective(ABC):
    """A training objective. One subclass a file in `train/objectives/`; its docstring is its documentation.

    Preparing a run makes one instance, without arguments.
    """

    name: ClassVar[str]
    """What `objective:` takes."""
    form: ClassVar[str]
    """The form of the examples that it trains on, `chat` or `verbalizer`, and so the form in which evals scores the run."""
    column: ClassVar[str]
    """The dataset column without which an example does not have that form."""

    @abstractmethod
    def encode(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> Encoded:
        """Turns one row of `EXAMPLE_SCHEMA` into token ids and loss weights.

        Raises:
            EncodeError: the mask cannot be proven.
        """

    @abstractmethod
    def loss(self, scores: TokenScores) -> "torch.Tensor":
        """Returns the summed loss of a micro-batch, a scalar; the trainer divides by the step's sum of weights."""


OBJECTIVES: Registry[Objective] = Registry("train.objectives", Objective, key="name", kind="objective", plugins=("objectives",))
