"""Which examples a step takes: a function of the seed, the step and the examples alone."""

import math
from dataclasses import dataclass, field

from loopwright.hashing import hash_text
from train.config import TrainConfig
from train.data.draws import Draws
from train.data.examples import TrainingExample


def epoch_key(seed: int, epoch: int, example_id: str) -> str:
    """Returns what an example is sorted by in an epoch."""
    return hash_text(str(seed), str(epoch), example_id)


def epoch_order(examples: list[TrainingExample], seed: int, epoch: int) -> list[int]:
    """Returns the order in which an epoch visits the examples: a function of seed, epoch and each example's id alone.

    So a resumed run needs no state to go on in the same order, and a row that is added moves no other past another.
    """
    keys = [epoch_key(seed, epoch, example.id) for example in examples]
    return sorted(range(len(examples)), key=keys.__getitem__)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """How a run divides into steps.

    Attributes:
        steps_per_epoch: steps of an epoch; the last may be smaller than the others.
        num_steps: steps of the whole run.
    """

    steps_per_epoch: int
    num_steps: int

    @classmethod
    def of(cls, epoch_size: int, config: TrainConfig) -> "RunPlan":
        """Returns the plan for epochs of so many examples (`TrainingData.epoch_size`)."""
        steps_per_epoch = math.ceil(epoch_size / config.batch_size)
        num_steps = steps_per_epoch * config.epochs
        return cls(steps_per_epoch, num_steps if config.max_steps is None else min(num_steps, config.max_steps))

    def named_steps(self, config: TrainConfig) -> set[int]:
        """Returns the steps whose checkpoints stay, but for the best, which only the run can tell."""
        return {self.num_steps // 2 if one == "half" else one for one in config.keep_checkpoints if one != "best"}


@dataclass(slots=True)
class StepOrder:
    """Which examples a step takes: a function of the seed, the step and the examples alone.

    Attributes:
        examples: all training examples.
        config: the run's options.
        plan: how the run divides into steps.
        draws: how an epoch is drawn from several datasets; None: it visits each example once.
    """

    examples: list[TrainingExample]
    config: TrainConfig
    plan: RunPlan
    draws: Draws | None = None
    _epoch: int = -1
    _steps: list[list[int]] = field(default_factory=list)

    @classmethod
    def of(cls, examples: list[TrainingExample], config: TrainConfig, draws: Draws | None = None) -> "StepOrder":
        """Returns the order of a run."""
        return cls(examples, config, RunPlan.of(len(examples) if draws is None else draws.epoch_size, config), draws)

    def __getitem__(self, step: int) -> list[TrainingExample]:
        """Returns the examples of a step, counted from 0."""
        epoch, index = divmod(step, self.plan.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._steps = epoch, self._divided(epoch)
        return [self.examples[place] for place in self._steps[index]]

    def _divided(self, epoch: int) -> list[list[int]]:
        """Returns the places of the examples of each step of an epoch."""
        size, seed = self.config.batch_size, self.config.seed
        if self.draws is not None:
            return self.draws.steps(seed, epoch, size)
        order = epoch_order(self.examples, seed, epoch)
        return [order[start : start + size] for start in range(0, len(order), size)]
