"""The training loop."""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import torch

from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.hashing import hash_text
from loopwright.progress import ProgressCallback
from train.config import LAST, TrainConfig
from train.data.branch import BranchOrder
from train.data.examples import TrainingData, TrainingExample
from train.data.order import RunPlan, StepOrder
from train.engine.activations import use_checkpointing
from train.engine.best import Best, CheckpointScorer, LossScorer, by_dataset
from train.engine.checkpoint import Checkpoint, RunProgress, drop_unkept, kept_dir, load_checkpoint
from train.engine.flops import flops_per_token
from train.engine.interrupts import watching_for_interrupts
from train.engine.loss import Scorer
from train.engine.memory import peak_memory_bytes
from train.engine.metrics import MetricsLog, Watch
from train.engine.optim import learning_rate, make_optimizer, set_learning_rate
from train.engine.passes import Passes, with_baselines
from train.engine.progress import TrainingBar
from train.engine.reference import Reference
from train.engine.tensor_hash import hash_tensors
from train.ledger.ledger import Ledger
from train.methods.base import Method, trainable
from train.models.load import Model
from train.objectives.base import Objective
from train.runs.evidence import StepRecord
from train.world import ALONE, World

NUM_RECORDED_STEPS = 2
"""So many first steps are recorded, and done again by `train verify`."""

# Floating-point operations of a run of five to ten minutes on two cores: compiling takes 10 to 40 seconds, and saves a 20th to a fifth.
_WORTH_COMPILING = 1.5e14

T = TypeVar("T")
Summary = tuple[list[TrainingExample], torch.Tensor]


@dataclass(slots=True)
class Trainer:
    """One run's moving parts.

    Attributes:
        passes: the model as its method prepared it, and what it makes of examples.
        data: what is trained and validated on.
        ledger: what training saw so far.
        progress: how far the run is.
        order: which examples a step takes.
        rate_of: what a trained parameter's learning rate is multiplied by, by its name.
        score: scores checkpoints by a metric; None: the validation loss does.
        watch: is told the lines of `metrics.jsonl`; None: nobody is.
        num_tokens: tokens of the steps that this process has done.
        seconds: and their time.
    """

    passes: Passes
    data: TrainingData
    ledger: Ledger
    progress: RunProgress
    order: StepOrder | BranchOrder
    rate_of: Callable[[str], float] = lambda _: 1.0
    score: CheckpointScorer | None = None
    watch: Watch | None = None
    num_tokens: int = 0
    seconds: float = 0.0

    @property
    def model(self) -> Model:
        """The model as its method prepared it."""
        return self.passes.model

    @property
    def scorer(self) -> Scorer:
        """The loss core on that model."""
        return self.passes.scorer

    @property
    def world(self) -> World:
        """The processes that share the run."""
        return self.passes.world

    @property
    def objective(self) -> Objective:
        """What turns token scores into a loss."""
        return self.passes.objective

    @property
    def plan(self) -> RunPlan:
        """How the run divides into steps."""
        return self.order.plan

    @property
    def config(self) -> TrainConfig:
        """The run's options."""
        return self.passes.config

    @classmethod
    def begin(
        cls,
        base: Model,
        objective: Objective,
        method: Method,
        data: TrainingData,
        *,
        score: CheckpointScorer | None = None,
        start: Path | None = None,
        world: World = ALONE,
    ) -> "Trainer":
        """Prepares a base model as the method wants it, which the run's seed decides, and chooses how it is computed.

        It begins with what the method saved in the folder `start`, where that is given: so a reference is the model with those weights.

        Raises:
            UserError: the options do not fit the model, or it cannot be trained.
        """
        passes = Passes.begin(base, objective, method, start, world)
        use_checkpointing(passes, data.train)
        order = StepOrder.of(data.train, method.config, data.draws)
        if method.config.compile or (method.config.compile is None and _is_long(passes, data, order)):
            passes.scorer = passes.scorer.compiled()
        return cls(passes, data, Ledger(), RunProgress(), order, rate_of=method.rate_of, score=score)

    def run(self, run_dir: Path, identity: dict[str, Any], checkpoint: Checkpoint | None, callback: ProgressCallback | None = None) -> None:
        """Trains from the checkpoint, or from the start, to the end, writing checkpoints and `metrics.jsonl` into `run_dir` on the way.

        Of several processes each does its part of each step, and the first writes. Ctrl-C ends it after a step, with a checkpoint.

        Raises:
            UserError: the loss or the gradient is no longer a finite number, one example does not fit into memory, or a file cannot be
                written.
        """
        optimizer = self._optimizer()
        if self.objective.needs_reference:  # before the checkpoint changes the model
            known = [*self.data.train, *self.data.validation]
            if checkpoint and checkpoint.reference is not None:
                self.passes.reference = Reference.of(with_baselines(known), checkpoint.reference)
            else:
                self.passes.ask_reference(known)
        if checkpoint:
            checkpoint.apply(self.model, optimizer)
            if self.world.is_first:
                self.ledger.restore(checkpoint.ledger)
            self.progress = checkpoint.progress
            self.passes.micro_batch_tokens = self.progress.micro_batch_tokens
        elif self.data.validation:
            self.progress = replace(self.progress, loss_before=self.passes.mean_loss(self.data.validation))
            notice(f"before the first step: validation loss {self.progress.loss_before:.4f}")
        metrics = MetricsLog.begin(run_dir if self.world.is_first else None, self.progress.num_steps, self.watch)
        with TrainingBar(self.plan.num_steps, self.progress.num_steps, callback) as bar, watching_for_interrupts() as interrupts:
            try:
                while not self._is_done():
                    self._advance(self.order[self.progress.num_steps], optimizer, metrics, bar)
                    is_pressed = self.world.any(here=interrupts.pressed, device=self.scorer.device)
                    if self._is_saved() or is_pressed:
                        metrics.flush()
                        self._save(run_dir, identity, optimizer)
                    if is_pressed:
                        raise KeyboardInterrupt
            except BaseException:
                with suppress(UserError):  # the curve up to here is what tells why
                    metrics.flush()
                raise
        self._gather_ledger()
        peak = self.world.largest(self.progress.peak_memory_bytes, self.scorer.device)
        self.progress = replace(self.progress, peak_memory_bytes=peak)

    def _is_done(self) -> bool:
        """Says whether there is no step left, or no hope that one helps."""
        patience, best = self.config.early_stopping, self.progress.best
        stops_early = patience is not None and best is not None and best.num_worse >= patience
        return self.progress.num_steps >= self.plan.num_steps or stops_early

    def _advance(self, examples: list[TrainingExample], optimizer: torch.optim.Optimizer, metrics: MetricsLog, bar: TrainingBar) -> None:
        """Does a step and, where an epoch ends with it, validates."""
        step = self.progress.num_steps
        started = time.perf_counter()
        loss, norm = self._step(step, examples, optimizer)
        num_tokens = sum(example.num_tokens for example in examples)
        self.num_tokens += num_tokens
        bar.advance()
        is_last = step + 1 == self.plan.num_steps
        if bar.is_due() or is_last:
            self.ledger.flush()
            metrics.flush()  # of the steps before: this one's may yet get a validation loss
            bar.show(loss.item(), self.num_tokens / (self.seconds + time.perf_counter() - started))
        seconds = time.perf_counter() - started
        self.seconds += seconds
        rate = learning_rate(step, self.plan.num_steps, self.config)
        metrics.record(step + 1, (step + 1) / self.plan.steps_per_epoch, loss, rate, norm, num_tokens / seconds)
        done = self.progress
        peak = max(done.peak_memory_bytes, peak_memory_bytes())
        self.progress = replace(done, num_steps=step + 1, seconds=done.seconds + seconds, peak_memory_bytes=peak)
        self._note_memory()
        if self._ends_epoch() and self.data.validation:
            metrics.validated(*self._validate(bar))

    def _ends_epoch(self) -> bool:
        return self.progress.num_steps % self.plan.steps_per_epoch == 0 or self.progress.num_steps == self.plan.num_steps

    def _is_saved(self) -> bool:
        step = self.progress.num_steps
        return self._ends_epoch() or step % self.config.checkpoint_every == 0 or step in self._kept_steps()

    def _kept_steps(self) -> set[int]:
        """Returns the steps whose checkpoints stay, as far as is known: the best so far, and those that the config names."""
        named = self.plan.named_steps(self.config)
        best = self.progress.best
        if best is not None and self.config.best != LAST:  # even where the best is not to stay: the run ends with it
            return {*named, best.step}
        return {*named, self.plan.num_steps} if "best" in self.config.keep_checkpoints else named

    def _save(self, run_dir: Path, identity: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
        """Writes the checkpoint, and once more where it is one that stays; killed in between, the run finds all that it goes on from."""
        self._gather_ledger()
        if not self.world.is_first:
            return
        reference = self.passes.reference.logprobs if self.passes.reference else None
        state = Checkpoint.of(self.progress, self.ledger.recorded(), self.model, optimizer, reference)
        kept = self._kept_steps()
        if self.progress.num_steps in kept:
            state.keep(run_dir, identity)
        state.save(run_dir, identity)
        drop_unkept(run_dir, {step for step in kept if step <= self.progress.num_steps})

    def _gather_ledger(self) -> None:
        """Brings what all processes recorded into the ledger of the first."""
        if self.world.size > 1:
            parts = self.world.gather(self.ledger.recorded())
            self.ledger.restore(pl.concat(parts) if self.world.is_first else parts[0].clear())

    def use_best(self, run_dir: Path, identity: dict[str, Any]) -> None:
        """Puts the weights of the best checkpoint in place.

        Raises:
            UserError: the checkpoint cannot be read.
        """
        best = self.progress.best
        if best is None or best.step == self.progress.num_steps:
            return
        found = load_checkpoint(run_dir, identity, best.step)
        if found is None:
            raise UserError("the best checkpoint is no longer there", str(kept_dir(run_dir, best.step)), "Train again with --overwrite.")
        found.apply_weights(self.model)

    def leave_kept(self, run_dir: Path) -> None:
        """Leaves of the checkpoints those that are to stay. Only once the run is recorded: until then it may be gone on with."""
        best = self.progress.num_steps if self.progress.best is None else self.progress.best.step
        drop_unkept(run_dir, self.plan.named_steps(self.config) | ({best} if "best" in self.config.keep_checkpoints else set()))

    def _step(self, step: int, examples: list[TrainingExample], optimizer: torch.optim.Optimizer) -> tuple[torch.Tensor, torch.Tensor]:
        """Does one step and returns, on the device, its loss and its gradient's norm before clipping.

        The loss is the mean by the normalizers of the whole step, not of each micro-batch.
        """
        if not examples:  # all of them were dropped
            nothing = torch.zeros((), device=self.scorer.device)
            return nothing, nothing
        # Seeded anew each step, so that dropout needs no state to be the same in a resumed run.
        seed = int(hash_text(str(self.config.seed), "step", str(step))[:15], 16)
        total, summaries = self.passes.step_gradient(examples, seed)
        for group, summary in summaries:
            self.ledger.record(step // self.plan.steps_per_epoch + 1, step + 1, group, summary)
        norm = torch.nn.utils.clip_grad_norm_(trainable(self.model).values(), self.config.max_grad_norm)
        self.ledger.record_gradient(step + 1, examples, norm)
        set_learning_rate(optimizer, learning_rate(step, self.plan.num_steps, self.config))
        optimizer.step()
        optimizer.zero_grad()
        if step < NUM_RECORDED_STEPS:
            self._record_step(step + 1, total, norm)
        return total, norm

    def first_steps(self, also: list[TrainingExample] | None = None) -> tuple[StepRecord, ...]:
        """Does the first steps of a run that was not begun, writes nothing, and returns what they were.

        Args:
            also: examples that the reference is to know beside those of the steps.
        """
        optimizer = self._optimizer()
        steps = [self.order[step] for step in range(min(NUM_RECORDED_STEPS, self.plan.num_steps))]
        if self.objective.needs_reference:
            known = {example.id: example for example in chain(*steps, also or ())}
            self.passes.ask_reference(list(known.values()))
        for step, examples in enumerate(steps):
            self._step(step, examples, optimizer)
        return self.progress.first_steps

    def _optimizer(self) -> torch.optim.Optimizer:
        return make_optimizer(trainable(self.model), self.config, self.rate_of)

    def _record_step(self, step: int, loss: torch.Tensor, gradient_norm: torch.Tensor) -> None:
        weights = trainable(self.model).values()
        norm = math.sqrt(sum(float(weight.detach().double().square().sum()) for weight in weights))
        record = StepRecord(step, loss.item(), gradient_norm.item(), norm, hash_tensors(weights))
        self.progress = replace(self.progress, first_steps=(*self.progress.first_steps, record))

    def _validate(self, bar: TrainingBar) -> tuple[float, dict[str, float]]:
        """Takes the validation loss, also of each dataset of a mixture, and says which checkpoint is the best so far."""
        losses = self.passes.row_losses(self.data.validation)
        by_loss = LossScorer(self.data.validation)
        done, loss = self.progress, by_loss.value(losses).value
        by, scores = (by_loss, losses) if self.score is None else (self.score, self._ask_scorer(self.score))
        best = Best.first(done.num_steps, scores, losses)
        if done.best is not None and self.config.best != LAST:
            best = done.best.after(done.num_steps, scores, losses, by)
        if self.score is not None:
            bar.note(f"step {done.num_steps}: {self.config.best} {self.score.value(scores).value:.4f}")
        tasks = by_dataset(self.data.validation, losses)
        by_task = (*done.validation_by_task, (done.num_steps, tasks)) if tasks else ()
        self.progress = replace(
            done, validation_losses=(*done.validation_losses, (done.num_steps, loss)), validation_by_task=by_task, best=best
        )
        self._note_memory()
        told = f" ({', '.join(f'{name} {value:.4f}' for name, value in tasks.items())})" if tasks else ""
        bar.note(f"step {done.num_steps}: validation loss {loss:.4f}{told}")
        return loss, tasks

    def _ask_scorer(self, score: CheckpointScorer) -> list[Any]:
        """Lets the model answer, as it will outside of training: with its own attention."""
        self.model.eval()
        with torch.no_grad(), self.scorer.answering():
            return self.world.from_first(lambda: score.scores(self.model))

    def _note_memory(self) -> None:
        """Keeps in the run's progress what the passes found to fit."""
        self.progress = replace(self.progress, micro_batch_tokens=self.passes.micro_batch_tokens)


def _is_long(passes: Passes, data: TrainingData, order: StepOrder) -> bool:
    """Says whether a run wins back what compiling takes: by all of its steps, so that one that is gone on with decides the same."""
    if passes.scorer.fast is None:
        return False
    num_tokens = order.plan.num_steps * passes.config.batch_size * sum(one.num_tokens for one in data.train) / len(data.train)
    return flops_per_token(passes.model, data.train) * num_tokens >= _WORTH_COMPILING
