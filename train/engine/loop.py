"""The training loop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from loopwright.hashing import hash_text
from train.config import TrainConfig
from train.data.examples import TrainingData, TrainingExample, epoch_order
from train.data.packing import collate, micro_batches
from train.engine.checkpoint import Checkpoint, Progress
from train.engine.loss import Scorer
from train.engine.progress import TrainingBar
from train.engine.reference import Reference
from train.ledger.ledger import Ledger, summarise
from train.methods.base import trainable
from train.models.load import Model
from train.objectives.base import Objective, TokenScores


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run divides into steps.

    Attributes:
        steps_per_epoch: steps that visit each example once; the last may be smaller than the others.
        num_steps: steps of the whole run.
    """

    steps_per_epoch: int
    num_steps: int

    @classmethod
    def of(cls, num_examples: int, config: TrainConfig) -> "Plan":
        """Returns the plan for so many examples."""
        steps_per_epoch = math.ceil(num_examples / config.batch_size)
        num_steps = steps_per_epoch * config.epochs
        return cls(steps_per_epoch, num_steps if config.max_steps is None else min(num_steps, config.max_steps))


@dataclass(slots=True)
class StepOrder:
    """Which examples a step takes: a function of the seed, the step and the examples alone.

    Attributes:
        examples: all training examples.
        config: the run's options.
        plan: how the run divides into steps.
    """

    examples: list[TrainingExample]
    config: TrainConfig
    plan: Plan
    _epoch: int = -1
    _order: list[int] = field(default_factory=list)

    def __getitem__(self, step: int) -> list[TrainingExample]:
        """Returns the examples of a step, counted from 0."""
        epoch, index = divmod(step, self.plan.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, epoch_order(self.examples, self.config.seed, epoch)
        size = self.config.batch_size
        return [self.examples[position] for position in self._order[index * size : (index + 1) * size]]


def learning_rate(step: int, num_steps: int, config: TrainConfig) -> float:
    """Returns the learning rate of a step, counted from 0."""
    num_warmup = round(config.warmup * num_steps)
    if step < num_warmup:
        return config.learning_rate * (step + 1) / num_warmup
    share = (step - num_warmup) / max(1, num_steps - num_warmup)
    falls: dict[str, Callable[[], float]] = {
        "constant": lambda: 1.0,
        "linear": lambda: 1.0 - share,
        "cosine": lambda: (1.0 + math.cos(math.pi * share)) / 2,
    }
    return config.learning_rate * falls[config.schedule]()


@dataclass(slots=True)
class Trainer:
    """One run's moving parts.

    Attributes:
        model: the model as its method prepared it.
        scorer: the loss core on that model.
        objective: turns token scores into a loss.
        config: the run's options.
        data: what is trained and validated on.
        ledger: what training saw so far.
        progress: how far the run is.
        reference: what the model that the run began with says; None where the objective needs none.
    """

    model: Model
    scorer: Scorer
    objective: Objective
    config: TrainConfig
    data: TrainingData
    ledger: Ledger
    progress: Progress
    reference: Reference | None = None

    def run(self, run_dir: Path, identity: dict[str, Any], checkpoint: Checkpoint | None) -> None:
        """Trains from the checkpoint, or from the start, to the end, writing checkpoints into `run_dir` on the way.

        Raises:
            UserError: the loss or the gradient is no longer a finite number, or a checkpoint cannot be written.
        """
        optimizer = torch.optim.AdamW(trainable(self.model).values(), lr=0.0, weight_decay=self.config.weight_decay, fused=True)
        if self.objective.needs_reference:  # before the checkpoint changes the model
            known = [*self.data.train, *self.data.validation]
            self.reference = Reference.of(known, checkpoint.reference) if checkpoint else self._ask_reference(known)
        if checkpoint:
            checkpoint.apply(self.model, optimizer)
            self.ledger.restore(checkpoint.ledger)
            self.progress = checkpoint.progress
        plan = Plan.of(len(self.data.train), self.config)
        order = StepOrder(self.data.train, self.config, plan)
        with TrainingBar(plan.num_steps, self.progress.num_steps) as bar:
            num_tokens = 0
            began = self.progress.seconds
            for step in range(self.progress.num_steps, plan.num_steps):
                examples = order[step]
                started = time.perf_counter()
                loss = self._step(step, plan, examples, optimizer)
                num_tokens += sum(example.num_tokens for example in examples)
                is_last = step + 1 == plan.num_steps
                bar.advance()
                if bar.is_due() or is_last:
                    self.ledger.flush()
                    seconds = self.progress.seconds - began + time.perf_counter() - started
                    bar.show(loss.item(), num_tokens / seconds)
                self._count_step(time.perf_counter() - started)
                ends_epoch = (step + 1) % plan.steps_per_epoch == 0 or is_last
                if ends_epoch and self.data.validation:
                    self._validate(bar)
                if ends_epoch or (step + 1) % self.config.checkpoint_every == 0:
                    reference = self.reference.logprobs if self.reference else None
                    Checkpoint.of(self.progress, self.ledger.recorded(), self.model, optimizer, reference).save(run_dir, identity)

    def _step(self, step: int, plan: Plan, examples: list[TrainingExample], optimizer: torch.optim.Optimizer) -> torch.Tensor:
        """Does one step and returns its loss, on the device: the mean by the normalizers of the whole step, not of each micro-batch."""
        # Seeded anew each step, so that dropout needs no state to be the same in a resumed run.
        torch.manual_seed(int(hash_text(str(self.config.seed), "step", str(step))[:15], 16))
        normalizer = sum(example.normalizer for example in examples)
        total = torch.zeros((), device=self.scorer.device)
        self.model.train()
        for group in micro_batches(examples, self.config, packed=self.scorer.packed):
            scores = self._score(group)
            loss = self.objective.loss(scores) / normalizer
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            self.ledger.record(step // plan.steps_per_epoch + 1, step + 1, group, summarise(self.objective, group, scores))
        norm = torch.nn.utils.clip_grad_norm_(trainable(self.model).values(), self.config.max_grad_norm)
        self.ledger.record_gradient(step + 1, examples, norm)
        for group_options in optimizer.param_groups:
            group_options["lr"] = learning_rate(step, plan.num_steps, self.config)
        optimizer.step()
        optimizer.zero_grad()
        return total

    def _count_step(self, seconds: float) -> None:
        done = self.progress
        self.progress = Progress(done.num_steps + 1, done.seconds + seconds, done.validation_losses)

    def _validate(self, bar: TrainingBar) -> None:
        loss = self.mean_loss(self.data.validation)
        done = self.progress
        self.progress = Progress(done.num_steps, done.seconds, (*done.validation_losses, (done.num_steps, loss)))
        bar.note(f"step {done.num_steps}: validation loss {loss:.4f}")

    def mean_loss(self, examples: list[TrainingExample]) -> float:
        """Returns the objective's loss over some examples, by the sum of their normalizers (for `chat`: nats a trained token)."""
        self.model.eval()
        total = torch.zeros((), dtype=torch.float64, device=self.scorer.device)
        with torch.no_grad():
            for group in micro_batches(examples, self.config, packed=self.scorer.packed):
                total += self.objective.loss(self._score(group))
        return float(total) / sum(example.normalizer for example in examples)

    def _score(self, examples: list[TrainingExample]) -> TokenScores:
        """Scores one micro-batch, with the reference where there is one."""
        scores = self.scorer.score(collate(examples, self.scorer.device, packed=self.scorer.packed))
        if self.reference is None:
            return scores
        reference = self.reference.logprobs[self.reference.places(examples)]
        return replace(scores, reference=reference.to(self.scorer.device))

    def _ask_reference(self, examples: list[TrainingExample]) -> Reference:
        """Asks the model, as it is now, once for each sequence of each example."""
        reference = Reference.of(examples)
        self.model.eval()
        with torch.no_grad():
            for group in micro_batches(examples, self.config, packed=self.scorer.packed):
                reference.logprobs[reference.places(group)] = self._score(group).sequence_logprobs().cpu()
        return reference
