"""The training loop."""

import math
import time
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from loopwright.hashing import hash_text
from loopwright.progress import ProgressCallback
from train.config import TrainConfig
from train.data.examples import TrainingData, TrainingExample
from train.data.order import RunPlan, StepOrder
from train.data.packing import collate, micro_batches
from train.engine.checkpoint import Checkpoint, RunProgress
from train.engine.loss import Scorer
from train.engine.optim import learning_rate
from train.engine.progress import TrainingBar
from train.engine.reference import Reference
from train.engine.tensor_hash import hash_tensors
from train.ledger.ledger import Ledger, summarise
from train.methods.base import Method, trainable
from train.models.load import Model
from train.objectives.base import Objective, TokenScores
from train.runs.evidence import StepRecord

NUM_RECORDED_STEPS = 2
"""So many first steps are recorded, and done again by `train verify`."""


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
    progress: RunProgress
    reference: Reference | None = None

    @classmethod
    def begin(cls, base: Model, objective: Objective, method: Method, data: TrainingData) -> "Trainer":
        """Prepares a base model as the method wants it, which the run's seed decides, and chooses how it is computed.

        Raises:
            UserError: the options do not fit the model, or it cannot be trained.
        """
        torch.manual_seed(method.config.seed)
        model = method.fresh(base)
        return cls(model, Scorer.for_model(model), objective, method.config, data, Ledger(), RunProgress())

    def run(self, run_dir: Path, identity: dict[str, Any], checkpoint: Checkpoint | None, callback: ProgressCallback | None = None) -> None:
        """Trains from the checkpoint, or from the start, to the end, writing checkpoints into `run_dir` on the way.

        Raises:
            UserError: the loss or the gradient is no longer a finite number, or a checkpoint cannot be written.
        """
        optimizer = self._optimizer()
        if self.objective.needs_reference:  # before the checkpoint changes the model
            known = [*self.data.train, *self.data.validation]
            self.reference = Reference.of(known, checkpoint.reference) if checkpoint else self._ask_reference(known)
        if checkpoint:
            checkpoint.apply(self.model, optimizer)
            self.ledger.restore(checkpoint.ledger)
            self.progress = checkpoint.progress
        plan = RunPlan.of(len(self.data.train), self.config)
        order = StepOrder(self.data.train, self.config, plan)
        with TrainingBar(plan.num_steps, self.progress.num_steps, callback) as bar:
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

    def _step(self, step: int, plan: RunPlan, examples: list[TrainingExample], optimizer: torch.optim.Optimizer) -> torch.Tensor:
        """Does one step and returns its loss, on the device: the mean by the normalizers of the whole step, not of each micro-batch."""
        # Seeded anew each step, so that dropout needs no state to be the same in a resumed run.
        torch.manual_seed(int(hash_text(str(self.config.seed), "step", str(step))[:15], 16))
        self.model.train()
        total = self.accumulate(examples, step // plan.steps_per_epoch + 1, step + 1)
        norm = torch.nn.utils.clip_grad_norm_(trainable(self.model).values(), self.config.max_grad_norm)
        self.ledger.record_gradient(step + 1, examples, norm)
        for group_options in optimizer.param_groups:
            group_options["lr"] = learning_rate(step, plan.num_steps, self.config)
        optimizer.step()
        optimizer.zero_grad()
        if step < NUM_RECORDED_STEPS:
            self._record_step(step + 1, total, norm)
        return total

    def accumulate(self, examples: list[TrainingExample], epoch: int = 1, step: int = 1) -> torch.Tensor:
        """Adds the gradient of some examples' mean loss to what is trained, a micro-batch at a time, and returns that loss, a scalar.

        Args:
            examples: those of one step.
            epoch: for the ledger, from 1.
            step: for the ledger, from 1.
        """
        normalizer = sum(example.normalizer for example in examples)
        total = torch.zeros((), device=self.scorer.device)
        for group in micro_batches(examples, self.config, packed=self.scorer.packed):
            scores = self._score(group)
            loss = self.objective.loss(scores) / normalizer
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            self.ledger.record(epoch, step, group, summarise(self.objective, group, scores))
        return total

    def first_steps(self, also: list[TrainingExample] | None = None) -> tuple[StepRecord, ...]:
        """Does the first steps of a run that was not begun, writes nothing, and returns what they were.

        Args:
            also: examples that the reference is to know beside those of the steps.
        """
        optimizer = self._optimizer()
        plan = RunPlan.of(len(self.data.train), self.config)
        order = StepOrder(self.data.train, self.config, plan)
        steps = [order[step] for step in range(min(NUM_RECORDED_STEPS, plan.num_steps))]
        if self.objective.needs_reference:
            known = {example.id: example for example in chain(*steps, also or ())}
            self.reference = self._ask_reference(list(known.values()))
        for step, examples in enumerate(steps):
            self._step(step, plan, examples, optimizer)
        return self.progress.first_steps

    def _optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(trainable(self.model).values(), lr=0.0, weight_decay=self.config.weight_decay, fused=True)

    def _record_step(self, step: int, loss: torch.Tensor, gradient_norm: torch.Tensor) -> None:
        weights = trainable(self.model).values()
        norm = math.sqrt(sum(float(weight.detach().double().square().sum()) for weight in weights))
        record = StepRecord(step, loss.item(), gradient_norm.item(), norm, hash_tensors(weights))
        self.progress = replace(self.progress, first_steps=(*self.progress.first_steps, record))

    def _count_step(self, seconds: float) -> None:
        done = self.progress
        self.progress = replace(done, num_steps=done.num_steps + 1, seconds=done.seconds + seconds)

    def _validate(self, bar: TrainingBar) -> None:
        loss = self.mean_loss(self.data.validation)
        done = self.progress
        self.progress = replace(done, validation_losses=(*done.validation_losses, (done.num_steps, loss)))
        bar.note(f"step {done.num_steps}: validation loss {loss:.4f}")

    def mean_loss(self, examples: list[TrainingExample]) -> float:
        """Returns the objective's loss over some examples, by the sum of their normalizers (`chat`: mean loss per trained token, nats)."""
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
