"""The training loop."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from loopwright.console import notice
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
from train.ledger.ledger import Ledger, summarise
from train.methods.base import trainable
from train.models.load import Model
from train.objectives.base import Objective, TokenScores


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
        baseline: where the losses of the rows that are scored together are measured from; None where the objective has no such point.
    """

    model: Model
    scorer: Scorer
    objective: Objective
    config: TrainConfig
    data: TrainingData
    ledger: Ledger
    progress: RunProgress
    reference: Reference | None = None
    baseline: torch.Tensor | None = None

    def run(self, run_dir: Path, identity: dict[str, Any], checkpoint: Checkpoint | None, callback: ProgressCallback | None = None) -> None:
        """Trains from the checkpoint, or from the start, to the end, writing checkpoints into `run_dir` on the way.

        Raises:
            UserError: the loss or the gradient is no longer a finite number, or a checkpoint cannot be written.
        """
        optimizer = torch.optim.AdamW(trainable(self.model).values(), lr=0.0, weight_decay=self.config.weight_decay, fused=True)
        if self.objective.needs_reference:  # before the checkpoint changes the model
            known = _with_baselines([*self.data.train, *self.data.validation])
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
        normalizer = sum(example.normalizer for example in examples)
        total = torch.zeros((), device=self.scorer.device)
        self.measure_baseline(examples)
        self.model.train()
        for group in self._micro_batches(examples):
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
        self.progress = RunProgress(done.num_steps + 1, done.seconds + seconds, done.validation_losses)

    def _validate(self, bar: TrainingBar) -> None:
        loss = self.mean_loss(self.data.validation)
        done = self.progress
        self.progress = RunProgress(done.num_steps, done.seconds, (*done.validation_losses, (done.num_steps, loss)))
        bar.note(f"step {done.num_steps}: validation loss {loss:.4f}")

    def mean_loss(self, examples: list[TrainingExample]) -> float:
        """Returns the objective's loss over some examples, by the sum of their normalizers (`chat`: mean loss per trained token, nats)."""
        self.measure_baseline(examples)
        self.model.eval()
        total = torch.zeros((), dtype=torch.float64, device=self.scorer.device)
        with torch.no_grad():
            for group in self._micro_batches(examples):
                total += self.objective.loss(self._score(group))
        return float(total) / sum(example.normalizer for example in examples)

    def measure_baseline(self, examples: list[TrainingExample]) -> None:
        """Measures the point that the losses of some rows are measured from, of all of them at once, where the objective has one."""
        if not self.objective.has_baseline:
            return
        self.model.eval()
        measured = [example.as_baseline() for example in examples if example.baseline]
        total = torch.zeros((), device=self.scorer.device)
        with torch.no_grad():
            for group in self._micro_batches(measured) if measured else ():
                total += self.objective.baseline_values(self._score(group)).sum()
        self.baseline = total / max(1, len(measured))

    def _micro_batches(self, examples: list[TrainingExample]) -> Iterator[list[TrainingExample]]:
        return micro_batches(examples, self.config, packed=self.scorer.packed, apart=self.objective.independent)

    def _score(self, examples: list[TrainingExample]) -> TokenScores:
        """Scores one micro-batch, with the reference and the baseline where there are any."""
        scores = replace(self.scorer.score(collate(examples, self.scorer.device, packed=self.scorer.packed)), baseline=self.baseline)
        if self.reference is None:
            return scores
        reference = self.reference.logprobs[self.reference.places(examples)]
        return replace(scores, reference=reference.to(self.scorer.device))

    def _ask_reference(self, examples: list[TrainingExample]) -> Reference:
        """Asks the model, as it is now, once for each sequence of each example."""
        assert not self.objective.independent, "a reference is of whole examples"
        notice(f"Scoring {sum(len(one.sequences) for one in examples):,} sequences with the model as it begins, once for the whole run.")
        reference = Reference.of(examples)
        self.model.eval()
        with torch.no_grad():
            for group in self._micro_batches(examples):
                reference.logprobs[reference.places(group)] = self._score(group).sequence_logprobs().cpu()
        return reference


def _with_baselines(examples: list[TrainingExample]) -> list[TrainingExample]:
    """Returns examples, and behind them what their baselines are measured on, which have a reference of their own."""
    return [*examples, *(example.as_baseline() for example in examples if example.baseline)]
