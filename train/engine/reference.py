"""What the model that a run began with says of each sequence, computed once: constants of the losses that compare with it."""

from dataclasses import dataclass
from itertools import accumulate

import torch

from train.data.examples import TrainingExample


@dataclass(frozen=True, slots=True)
class Reference:
    """A log-probability in nats for each sequence of each example.

    Attributes:
        logprobs: of all sequences of all examples, in their order, float32, on the CPU.
        starts: where each example's first one stands, by its id.
    """

    logprobs: torch.Tensor
    starts: dict[str, int]

    @classmethod
    def of(cls, examples: list[TrainingExample], logprobs: torch.Tensor | None = None) -> "Reference":
        """Returns the reference of some examples, of which the log-probabilities may be known already."""
        *starts, total = accumulate((len(example.sequences) for example in examples), initial=0)
        known = torch.zeros(total) if logprobs is None else logprobs
        return cls(known, {example.id: start for example, start in zip(examples, starts, strict=True)})

    def places(self, examples: list[TrainingExample]) -> list[int]:
        """Returns where the sequences of these examples stand in `logprobs`, in their order."""
        return [self.starts[example.id] + index for example in examples for index in range(len(example.sequences))]
