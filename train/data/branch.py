"""A run that goes on from another one's checkpoint, with changed rows or another seed: its rows, and which of them a step takes."""

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from train.config import TrainConfig
from train.data.changes import RowChanges
from train.data.examples import TrainingData, TrainingExample
from train.data.order import RunPlan, StepOrder, epoch_key
from train.runs.record import BranchRecord


@dataclass(frozen=True, slots=True)
class Branch:
    """Where a run goes on from, and with what.

    Attributes:
        run_dir: the folder of the run that is gone on from.
        step: of that run's checkpoint.
        seed: of that run.
        changes: what is different about the train split from there on.
        before: the train split of that run.
        data: what the branch trains and validates on.
    """

    run_dir: Path
    step: int
    seed: int
    changes: RowChanges
    before: list[TrainingExample]
    data: TrainingData

    def record(self) -> BranchRecord:
        """Returns what run.json says of it."""
        changes = self.changes
        return BranchRecord(
            run=str(self.run_dir),
            step=self.step,
            seed=self.seed,
            num_dropped=len(changes.dropped),
            num_relabelled=len(changes.relabelled),
            num_weighted=len(changes.weights),
            num_added=len(changes.added),
            changes_sha256=changes.sha256,
        )

    def order(self, config: TrainConfig) -> "BranchOrder":
        """Returns which examples a step takes.

        Args:
            config: the branch's options.
        """
        before = StepOrder.of(self.before, config.model_copy(update={"seed": self.seed}))
        return BranchOrder(before, self.step, self.data.train, config.seed)


@dataclass(slots=True)
class BranchOrder:
    """The order of the run before, up to its checkpoint; from there on that of the branch.

    Rows that stay keep their steps, as long as the seed stays. A step from which a row was dropped is smaller. A row that is added joins
    the step of the row that it would follow, so that there are as many steps as before, and the learning rate of each is the same; of the
    epoch in which the branch begins it joins what is left.

    Attributes:
        before: the order of the run that is gone on from.
        step: how many steps of that were done.
        examples: the training examples of the branch.
        seed: of the branch.
    """

    before: StepOrder
    step: int
    examples: list[TrainingExample]
    seed: int
    _epoch: int = -1
    _steps: list[list[TrainingExample]] = field(default_factory=list)

    @property
    def plan(self) -> RunPlan:
        """How the run divides into steps."""
        return self.before.plan

    def __getitem__(self, step: int) -> list[TrainingExample]:
        """Returns the examples of a step, counted from 0; there are none where all were dropped."""
        if step < self.step:
            return self.before[step]
        epoch, index = divmod(step, self.plan.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._steps = epoch, self._of_epoch(epoch)
        return self._steps[index]

    def _of_epoch(self, epoch: int) -> list[list[TrainingExample]]:
        """Returns the steps of an epoch; those that were done before the branch are left empty."""
        key = partial(epoch_key, self.seed, epoch)
        num_done = max(0, self.step - epoch * self.plan.steps_per_epoch)
        done = {example.id for step in range(self.step - num_done, self.step) for example in self.before[step]}
        names = sorted((example.id for example in self.before.examples if example.id not in done), key=key)
        keys = [key(name) for name in names]
        size = self.before.config.batch_size
        steps = [names[start : start + size] for start in range(0, len(names), size)]
        here = {example.id: example for example in self.examples}
        old = {example.id for example in self.before.examples}
        added: list[list[str]] = [[] for _ in steps]
        for name in sorted((name for name in here if name not in old), key=key) if steps else ():
            added[max(0, bisect_left(keys, key(name)) - 1) // size].append(name)
        found = [[here[name] for name in (*names, *new) if name in here] for names, new in zip(steps, added, strict=True)]
        return [[] for _ in range(num_done)] + found
