"""The training loop."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import torch

from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.hashing import hash_text
from loopwright.progress import ProgressCallback
from train.config import LAST, TrainConfig
from train.data.examples import TrainingData, TrainingExample
from train.data.order import RunPlan, StepOrder
from train.data.packing import collate, micro_batches
from train.engine.best import Best, CheckpointScorer, LossScorer, by_dataset
from train.engine.checkpoint import Checkpoint, RunProgress, drop_unkept, kept_dir, load_checkpoint
from train.engine.interrupts import watching_for_interrupts
from train.engine.loss import Scorer
from train.engine.memory import OutOfMemory, memory_for, peak_memory_bytes
from train.engine.metrics import MetricsLog
from train.engine.optim import learning_rate, make_optimizer, set_learning_rate
from train.engine.progress import TrainingBar
from train.engine.reference import Reference
from train.engine.tensor_hash import hash_tensors
from train.engine.values import scorer_for
from train.ledger.ledger import Ledger, summarise
from train.methods.base import Method, begin_value_head, trainable
from train.models.load import Model
from train.objectives.base import Objective, TokenScores
from train.runs.evidence import StepRecord

NUM_RECORDED_STEPS = 2
"""So many first steps are recorded, and done again by `train verify`."""

T = TypeVar("T")
Summary = tuple[list[TrainingExample], torch.Tensor]


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
        rate_of: what a trained parameter's learning rate is multiplied by, by its name.
        score: scores checkpoints by a metric; None: the validation loss does.
        num_tokens: tokens of the steps that this process has done.
        seconds: and their time.
    """

    model: Model
    scorer: Scorer
    objective: Objective
    config: TrainConfig
    data: TrainingData
    ledger: Ledger
    progress: RunProgress
    reference: Reference | None = None
    rate_of: Callable[[str], float] = lambda _: 1.0
    score: CheckpointScorer | None = None
    num_tokens: int = 0
    seconds: float = 0.0
    baseline: torch.Tensor | None = None

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
    ) -> "Trainer":
        """Prepares a base model as the method wants it, which the run's seed decides, and chooses how it is computed.

        It begins with what the method saved in the folder `start`, where that is given: so a reference is the model with those weights.

        Raises:
            UserError: the options do not fit the model, or it cannot be trained.
        """
        torch.manual_seed(method.config.seed)
        model = method.fresh(base)
        if objective.reads == "values":
            begin_value_head(model)
        if start is not None:
            method.begin_from(model, start)
        scorer = scorer_for(objective, model)
        return cls(model, scorer, objective, method.config, data, Ledger(), RunProgress(), rate_of=method.rate_of, score=score)

    def run(self, run_dir: Path, identity: dict[str, Any], checkpoint: Checkpoint | None, callback: ProgressCallback | None = None) -> None:
        """Trains from the checkpoint, or from the start, to the end, writing checkpoints and `metrics.jsonl` into `run_dir` on the way.

        Ctrl-C ends it after a step, with a checkpoint.

        Raises:
            UserError: the loss or the gradient is no longer a finite number, one example does not fit into memory, or a file cannot be
                written.
        """
        optimizer = self._optimizer()
        if self.objective.needs_reference:  # before the checkpoint changes the model
            known = _with_baselines([*self.data.train, *self.data.validation])
            self.reference = Reference.of(known, checkpoint.reference) if checkpoint else self._ask_reference(known)
        if checkpoint:
            checkpoint.apply(self.model, optimizer)
            self.ledger.restore(checkpoint.ledger)
            self.progress = checkpoint.progress
        plan = RunPlan.of(self.data.epoch_size, self.config)
        order = StepOrder(self.data.train, self.config, plan, self.data.draws)
        metrics = MetricsLog.begin(run_dir, self.progress.num_steps)
        with TrainingBar(plan.num_steps, self.progress.num_steps, callback) as bar, watching_for_interrupts() as interrupts:
            try:
                while not self._is_done(plan):
                    self._advance(plan, order[self.progress.num_steps], optimizer, metrics, bar)
                    if self._is_saved(plan) or interrupts.pressed:
                        metrics.flush()
                        self._save(run_dir, identity, optimizer, plan)
                    if interrupts.pressed:
                        raise KeyboardInterrupt
            except BaseException:
                with suppress(UserError):  # the curve up to here is what tells why
                    metrics.flush()
                raise

    def _is_done(self, plan: RunPlan) -> bool:
        """Says whether there is no step left, or no hope that one helps."""
        patience, best = self.config.early_stopping, self.progress.best
        stops_early = patience is not None and best is not None and best.num_worse >= patience
        return self.progress.num_steps >= plan.num_steps or stops_early

    def _advance(
        self, plan: RunPlan, examples: list[TrainingExample], optimizer: torch.optim.Optimizer, metrics: MetricsLog, bar: TrainingBar
    ) -> None:
        """Does a step and, where an epoch ends with it, validates."""
        step = self.progress.num_steps
        started = time.perf_counter()
        loss, norm = self._step(step, plan, examples, optimizer)
        num_tokens = sum(example.num_tokens for example in examples)
        self.num_tokens += num_tokens
        bar.advance()
        is_last = step + 1 == plan.num_steps
        if bar.is_due() or is_last:
            self.ledger.flush()
            metrics.flush()  # of the steps before: this one's may yet get a validation loss
            bar.show(loss.item(), self.num_tokens / (self.seconds + time.perf_counter() - started))
        seconds = time.perf_counter() - started
        self.seconds += seconds
        rate = learning_rate(step, plan.num_steps, self.config)
        metrics.record(step + 1, (step + 1) / plan.steps_per_epoch, loss, rate, norm, num_tokens / seconds)
        done = self.progress
        peak = max(done.peak_memory_bytes, peak_memory_bytes())
        self.progress = replace(done, num_steps=step + 1, seconds=done.seconds + seconds, peak_memory_bytes=peak)
        if self._ends_epoch(plan) and self.data.validation:
            metrics.validated(*self._validate(bar))

    def _ends_epoch(self, plan: RunPlan) -> bool:
        return self.progress.num_steps % plan.steps_per_epoch == 0 or self.progress.num_steps == plan.num_steps

    def _is_saved(self, plan: RunPlan) -> bool:
        step = self.progress.num_steps
        return self._ends_epoch(plan) or step % self.config.checkpoint_every == 0 or step in self._kept_steps(plan)

    def _kept_steps(self, plan: RunPlan) -> set[int]:
        """Returns the steps whose checkpoints stay, as far as is known: the best so far, and those that the config names."""
        named = {plan.num_steps // 2 if one == "half" else one for one in self.config.keep_checkpoints if one != "best"}
        best = self.progress.best
        if best is not None and self.config.best != LAST:  # even where the best is not to stay: the run ends with it
            return {*named, best.step}
        return {*named, plan.num_steps} if "best" in self.config.keep_checkpoints else named

    def _save(self, run_dir: Path, identity: dict[str, Any], optimizer: torch.optim.Optimizer, plan: RunPlan) -> None:
        """Writes the checkpoint, and once more where it is one that stays; killed in between, the run finds all that it goes on from."""
        reference = self.reference.logprobs if self.reference else None
        state = Checkpoint.of(self.progress, self.ledger.recorded(), self.model, optimizer, reference)
        kept = self._kept_steps(plan)
        if self.progress.num_steps in kept:
            state.keep(run_dir, identity)
        state.save(run_dir, identity)
        drop_unkept(run_dir, {step for step in kept if step <= self.progress.num_steps})

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
        plan, keep = RunPlan.of(self.data.epoch_size, self.config), self.config.keep_checkpoints
        best = self.progress.num_steps if self.progress.best is None else self.progress.best.step
        drop_unkept(run_dir, {plan.num_steps // 2 if one == "half" else best if one == "best" else one for one in keep})

    def _step(
        self, step: int, plan: RunPlan, examples: list[TrainingExample], optimizer: torch.optim.Optimizer
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Does one step and returns, on the device, its loss and its gradient's norm before clipping.

        The loss is the mean by the normalizers of the whole step, not of each micro-batch.
        """
        total, summaries = self._within_memory(lambda: self._accumulate(step, examples))
        for group, summary in summaries:
            self.ledger.record(step // plan.steps_per_epoch + 1, step + 1, group, summary)
        norm = torch.nn.utils.clip_grad_norm_(trainable(self.model).values(), self.config.max_grad_norm)
        self.ledger.record_gradient(step + 1, examples, norm)
        set_learning_rate(optimizer, learning_rate(step, plan.num_steps, self.config))
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
        plan = RunPlan.of(self.data.epoch_size, self.config)
        order = StepOrder(self.data.train, self.config, plan, self.data.draws)
        steps = [order[step] for step in range(min(NUM_RECORDED_STEPS, plan.num_steps))]
        if self.objective.needs_reference:
            self.take_reference(list({example.id: example for example in chain(*steps, also or ())}.values()))
        for step, examples in enumerate(steps):
            self._step(step, plan, examples, optimizer)
        return self.progress.first_steps

    def _optimizer(self) -> torch.optim.Optimizer:
        return make_optimizer(trainable(self.model), self.config, self.rate_of)

    def _record_step(self, step: int, loss: torch.Tensor, gradient_norm: torch.Tensor) -> None:
        weights = trainable(self.model).values()
        norm = math.sqrt(sum(float(weight.detach().double().square().sum()) for weight in weights))
        record = StepRecord(step, loss.item(), gradient_norm.item(), norm, hash_tensors(weights))
        self.progress = replace(self.progress, first_steps=(*self.progress.first_steps, record))

    def _accumulate(
        self, step: int, examples: list[TrainingExample]
    ) -> tuple[torch.Tensor, list[tuple[list[TrainingExample], torch.Tensor]]]:
        """Sums a step's gradient over its micro-batches; returns the step's loss, and what the ledger takes of each."""
        # Seeded anew each step, so that dropout needs no state to be the same in a resumed run.
        torch.manual_seed(int(hash_text(str(self.config.seed), "step", str(step))[:15], 16))
        self.measure_baseline(examples)
        self.model.train()
        return self._sum_gradient(examples)

    def accumulate(self, examples: list[TrainingExample]) -> torch.Tensor:
        """Adds the gradient of some examples' mean loss to what is trained, in micro-batches, and returns that loss, a scalar."""
        self.measure_baseline(examples)
        return self._sum_gradient(examples)[0]

    def _sum_gradient(self, examples: list[TrainingExample]) -> tuple[torch.Tensor, list[tuple[list[TrainingExample], torch.Tensor]]]:
        normalizer = sum(example.normalizer for example in examples) if self.config.normalize == "token" else len(examples)
        total = torch.zeros((), device=self.scorer.device)
        summaries = []
        for group in self._groups(examples):
            with memory_for(group):
                scores = self._score(group)
                loss = self._loss(group, scores) / normalizer
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
                summaries.append((group, summarise(self.objective, group, scores)))
        return total, summaries

    def _groups(self, examples: list[TrainingExample]) -> Iterator[list[TrainingExample]]:
        """Divides examples into micro-batches, smaller ones than the config lets where memory has run out before."""
        limit = self.progress.micro_batch_tokens
        config = self.config if limit is None else self.config.model_copy(update={"micro_batch_tokens": limit})
        return micro_batches(examples, config, packed=self.scorer.packed, apart=self.objective.independent)

    def _within_memory(self, work: Callable[[], T]) -> T:
        """Does some work on micro-batches; each time that memory runs out it is begun anew with smaller ones.

        A step is the same whatever its micro-batches are, but for rounding: the examples of a step stay those that they were.

        Raises:
            UserError: one example alone does not fit.
        """
        while True:
            try:
                return work()
            except OutOfMemory as error:
                group = error.group
            self.model.zero_grad()
            longest = max(group, key=lambda example: example.longest)
            if len(group) == 1:
                cause = f"memory runs out on row {longest.row_id} alone, which has {longest.num_tokens} tokens"
                raise UserError(cause, longest.location, "Lower max_length, or take a smaller model; close what else takes memory.")
            positions = sum(one.num_tokens for one in group) if self.scorer.packed else longest.longest * len(group)
            self.progress = replace(self.progress, micro_batch_tokens=positions // 2)
            notice(
                f"Memory ran out in a forward pass of {positions:,} tokens: from here on one takes {positions // 2:,} at most. "
                f"A step is {self.config.batch_size} examples, as before."
            )

    def _loss(self, group: list[TrainingExample], scores: TokenScores) -> torch.Tensor:
        """Returns the summed loss of a micro-batch, yet to be divided by what the step counts for."""
        if self.config.normalize == "token":
            return self.objective.loss(scores)
        normalizers = torch.tensor([example.normalizer for example in group], device=scores.logprobs.device)
        return (self.objective.row_losses(scores) / normalizers).sum()

    def _validate(self, bar: TrainingBar) -> tuple[float, dict[str, float]]:
        """Takes the validation loss, also of each dataset of a mixture, and says which checkpoint is the best so far."""
        losses = self.row_losses(self.data.validation)
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
        told = f" ({', '.join(f'{name} {value:.4f}' for name, value in tasks.items())})" if tasks else ""
        bar.note(f"step {done.num_steps}: validation loss {loss:.4f}{told}")
        return loss, tasks

    def _ask_scorer(self, score: CheckpointScorer) -> list[Any]:
        """Lets the model answer, as it will outside of training: with its own attention."""
        self.model.eval()
        with torch.no_grad(), self.scorer.answering():
            return score.scores(self.model)

    def mean_loss(self, examples: list[TrainingExample]) -> float:
        """Returns the objective's loss over some examples, by the sum of their normalizers (`chat`: mean loss per trained token, nats)."""
        return LossScorer(examples).value(self.row_losses(examples)).value

    def row_losses(self, examples: list[TrainingExample]) -> list[float]:
        """Returns the objective's loss of each example, not divided by its normalizer, in their order."""

        def ask() -> dict[str, float]:
            found: dict[str, float] = {}
            self.measure_baseline(examples)
            self.model.eval()
            for group in self._groups(examples):
                with memory_for(group):
                    losses = self.objective.row_losses(self._score(group)).tolist()
                for example, loss in zip(group, losses, strict=True):  # of an example whose sequences are apart, each its part
                    found[example.id] = found.get(example.id, 0.0) + loss
            return found

        with torch.no_grad():
            found = self._within_memory(ask)
        return [found[example.id] for example in examples]

    def measure_baseline(self, examples: list[TrainingExample]) -> None:
        """Measures the point that the losses of some rows are measured from, of all of them at once, where the objective has one."""
        if not self.objective.has_baseline:
            return
        self.model.eval()
        measured = [example.as_baseline() for example in examples if example.baseline]
        total = torch.zeros((), device=self.scorer.device)
        with torch.no_grad():
            for group in self._groups(measured) if measured else ():
                total += self.objective.baseline_values(self._score(group)).sum()
        self.baseline = total / max(1, len(measured))

    def _score(self, examples: list[TrainingExample]) -> TokenScores:
        """Scores one micro-batch, with the reference and the baseline where there are any."""
        scores = replace(self.scorer.score(collate(examples, self.scorer.device, packed=self.scorer.packed)), baseline=self.baseline)
        if self.reference is None:
            return scores
        reference = self.reference.logprobs[self.reference.places(examples)]
        return replace(scores, reference=reference.to(self.scorer.device))

    def take_reference(self, examples: list[TrainingExample]) -> None:
        """Makes the model as it is now what these examples are compared with."""
        self.reference = self._ask_reference(_with_baselines(examples))

    def _ask_reference(self, examples: list[TrainingExample]) -> Reference:
        """Asks the model, as it is now, once for each sequence of each example."""
        assert not self.objective.independent, "a reference is of whole examples"
        notice(f"Scoring {sum(len(one.sequences) for one in examples):,} sequences with the model as it begins, once for the whole run.")
        reference = Reference.of(examples)
        self.model.eval()

        def ask() -> None:
            for group in self._groups(examples):
                with memory_for(group):
                    reference.logprobs[reference.places(group)] = self._score(group).sequence_logprobs().cpu()

        with torch.no_grad():
            self._within_memory(ask)
        return reference


def _with_baselines(examples: list[TrainingExample]) -> list[TrainingExample]:
    """Returns examples, and behind them what their baselines are measured on, which have a reference of their own."""
    return [*examples, *(example.as_baseline() for example in examples if example.baseline)]
