"""What a run has to compute: its very steps and micro-batches, counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from train.config import TrainConfig
from train.data.examples import TrainingExample
from train.data.order import StepOrder
from train.data.packing import micro_batches
from train.engine.flops import FlopModel

# More steps than this are not divided into micro-batches one by one: so many, spread over the run, stand for the rest.
_MOST_STEPS = 4_096


@dataclass(frozen=True, slots=True)
class Work:
    """One micro-batch.

    Attributes:
        num_tokens: tokens of its examples.
        num_positions: what the model reads, padding included.
        num_targets: supervised tokens.
        num_squares: entries of attention's tables a head: sequences x longest squared. Packed or padded, each is taken at that length.
        longest: tokens of its longest sequence.
    """

    num_tokens: int
    num_positions: int
    num_targets: int
    num_squares: int
    longest: int

    @classmethod
    def of(cls, examples: Sequence[TrainingExample], *, packed: bool) -> "Work":
        """Counts the examples of a micro-batch."""
        sequences = [sequence for example in examples for sequence in example.sequences]
        num_tokens = sum(sequence.num_tokens for sequence in sequences)
        longest = max(sequence.num_tokens for sequence in sequences)
        num_positions = num_tokens if packed else longest * len(sequences)
        num_targets = sum(len(sequence.targets) for sequence in sequences)
        return cls(num_tokens, num_positions, num_targets, len(sequences) * longest**2, longest)

    def flops(self, model: FlopModel) -> float:
        """Returns the floating-point operations of its forward and backward pass."""
        return model.per_position * self.num_positions + model.per_target * self.num_targets + model.per_square * self.num_squares


@dataclass(frozen=True, slots=True)
class RunWork:
    """All steps of a run.

    Attributes:
        num_steps: how many there are.
        num_epochs_ended: how often an epoch, or the run, ends: so often is the loss on the validation split measured.
        num_tokens: tokens through the model.
        num_trained_tokens: supervised ones among them.
        groups: the examples of the micro-batches of the steps that were looked at.
        works: and what each asks for.
        scale: steps of the run for each step that was looked at.
        accumulates: there is a step of several micro-batches.
    """

    num_steps: int
    num_epochs_ended: int
    num_tokens: int
    num_trained_tokens: int
    groups: list[list[TrainingExample]]
    works: list[Work]
    scale: float
    accumulates: bool

    @classmethod
    def of(cls, examples: list[TrainingExample], config: TrainConfig, *, packed: bool, apart: bool) -> "RunWork":
        """Divides a run as the training loop does.

        Args:
            examples: the train split's.
            config: the run's options.
            packed: examples follow each other without padding.
            apart: sequences of one example may go into several micro-batches.
        """
        order = StepOrder.of(examples, config)
        plan = order.plan
        stride = -(-plan.num_steps // _MOST_STEPS)
        num_targets = {one.id: sum(len(sequence.targets) for sequence in one.sequences) for one in examples}
        num_tokens = num_trained = num_looked_at = 0
        groups: list[list[TrainingExample]] = []
        accumulates = False
        for step in range(plan.num_steps):
            chosen = order[step]
            num_tokens += sum(one.num_tokens for one in chosen)
            num_trained += sum(num_targets[one.id] for one in chosen)
            if step % stride == 0:
                divided = list(micro_batches(chosen, config, packed=packed, apart=apart))
                accumulates = accumulates or len(divided) > 1
                groups += divided
                num_looked_at += 1
        works = [Work.of(group, packed=packed) for group in groups]
        ended = -(-plan.num_steps // plan.steps_per_epoch)
        return cls(plan.num_steps, ended, num_tokens, num_trained, groups, works, plan.num_steps / num_looked_at, accumulates)


def forward_works(examples: list[TrainingExample], config: TrainConfig, *, packed: bool, apart: bool) -> list[Work]:
    """Returns what the micro-batches of examples ask for that are scored at once."""
    groups = micro_batches(examples, config, packed=packed, apart=apart) if examples else ()
    return [Work.of(group, packed=packed) for group in groups]


def padding_share(works: Sequence[Work]) -> float:
    """Returns the share of all positions at which no token stands."""
    num_positions = sum(work.num_positions for work in works)
    return 1 - sum(work.num_tokens for work in works) / num_positions
