"""Forward and backward passes over examples, in micro-batches that fit into memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch

from loopwright.console import notice
from loopwright.errors import UserError
from train.config import TrainConfig
from train.data.examples import TrainingExample
from train.data.packing import collate, micro_batches
from train.engine.best import LossScorer
from train.engine.loss import Scorer
from train.engine.memory import OutOfMemory, does_not_fit, memory_for
from train.engine.reference import Reference
from train.engine.sharding import shard
from train.engine.values import scorer_for
from train.ledger.ledger import summarise
from train.methods.base import Method, begin_value_head, trainable
from train.models.load import Model
from train.objectives.base import Objective, TokenScores
from train.world import ALONE, World

T = TypeVar("T")
Summaries = list[tuple[list[TrainingExample], torch.Tensor]]


@dataclass(slots=True)
class Passes:
    """What a model says of examples, and the gradient of what its objective makes of that.

    Attributes:
        model: the model as its method prepared it.
        scorer: the loss core on that model.
        objective: turns token scores into a loss.
        config: the run's options.
        reference: what the model that the run began with says; None where the objective needs none.
        baseline: where the losses of the rows that are scored together are measured from; None where the objective has no such point.
        micro_batch_tokens: the most tokens in one forward pass, where memory ran out and they became fewer than the config lets.
        world: the processes that share the work.
    """

    model: Model
    scorer: Scorer
    objective: Objective
    config: TrainConfig
    reference: Reference | None = None
    baseline: torch.Tensor | None = None
    micro_batch_tokens: int | None = None
    world: World = ALONE

    @classmethod
    def begin(cls, base: Model, objective: Objective, method: Method, start: Path | None = None, world: World = ALONE) -> "Passes":
        """Prepares a base model as the method wants it, which the run's seed decides, and chooses how it is computed.

        Args:
            base: is changed in place.
            objective: what is made of scores.
            method: what is trained, with the run's options.
            start: the folder of a run that saved what the method begins with; None: it begins anew.
            world: the processes that share the work.

        Raises:
            UserError: the options do not fit the model, or it cannot be trained.
        """
        torch.manual_seed(method.config.seed)
        model = method.fresh(base)
        if objective.reads == "values":
            begin_value_head(model)
        if start is not None:
            method.begin_from(model, start)
        if method.config.shard:
            shard(model)
        return cls(model, scorer_for(objective, model, exact=method.config.exact), objective, method.config, world=world)

    def step_gradient(self, examples: list[TrainingExample], seed: int) -> tuple[torch.Tensor, Summaries]:
        """Adds the gradient of a step's loss to what is trained; returns that scalar, and what the ledger takes of this process's part.

        Args:
            examples: all of the step, of which each process takes a part; the gradient is that of all.
            seed: of dropout: the same again where memory runs out and the step is begun anew.

        Raises:
            UserError: one example alone does not fit into memory.
        """

        def work() -> tuple[torch.Tensor, Summaries]:
            torch.manual_seed(seed + self.world.rank)
            self.model.train()
            return self._sum_gradient(examples)

        self.measure_baseline(examples)
        total, summaries = self._within_memory(work)
        self.world.add_up([total])
        self.world.add_up_gradients(list(trainable(self.model).values()))
        return total, summaries

    def accumulate(self, examples: list[TrainingExample]) -> torch.Tensor:
        """Adds the gradient of some examples' mean loss to what is trained, in micro-batches, and returns that loss, a scalar."""
        self.measure_baseline(examples)
        return self._sum_gradient(examples)[0]

    def mean_loss(self, examples: list[TrainingExample]) -> float:
        """Returns the objective's loss over some examples, by the sum of their normalizers (`chat`: mean loss per trained token, nats)."""
        return LossScorer(examples).value(self.row_losses(examples)).value

    def row_losses(self, examples: list[TrainingExample]) -> list[float]:
        """Returns the objective's loss of each example, not divided by its normalizer, in their order.

        Raises:
            UserError: one example alone does not fit into memory.
        """

        def ask() -> dict[str, float]:
            found: dict[str, float] = {}
            self.model.eval()
            for group, counts in self._groups(examples):
                with memory_for(group):
                    losses = self.objective.row_losses(self.score(group)).tolist()
                if counts:
                    for example, loss in zip(group, losses, strict=True):  # of an example whose sequences are apart, each its part
                        found[example.id] = found.get(example.id, 0.0) + loss
            return found

        self.measure_baseline(examples)
        with torch.no_grad():
            found = self._within_memory(ask)
        losses = torch.tensor([found.get(example.id, 0.0) for example in examples], dtype=torch.float64)
        self.world.add_up([losses])
        return losses.tolist()

    def measure_baseline(self, examples: list[TrainingExample]) -> None:
        """Measures the point that the losses of some rows are measured from, of all of them at once, where the objective has one."""
        if not self.objective.has_baseline:
            return
        measured = [example.as_baseline() for example in examples if example.baseline]

        def ask() -> torch.Tensor:
            total = torch.zeros((), device=self.scorer.device)
            self.model.eval()
            for group, counts in self._groups(measured):
                with memory_for(group):
                    total += self.objective.baseline_values(self.score(group)).sum() * counts
            return total

        with torch.no_grad():
            total = self._within_memory(ask)
        self.world.add_up([total])
        self.baseline = total / max(1, len(measured))

    def score(self, examples: list[TrainingExample]) -> TokenScores:
        """Scores one micro-batch, with the reference and the baseline where there are any."""
        scores = replace(self.scorer.score(collate(examples, self.scorer.device, packed=self.scorer.packed)), baseline=self.baseline)
        if self.reference is None:
            return scores
        reference = self.reference.logprobs[self.reference.places(examples)]
        return replace(scores, reference=reference.to(self.scorer.device))

    def ask_reference(self, examples: list[TrainingExample]) -> None:
        """Asks the model, as it is now, once for each sequence of each example, and of what baselines are measured on.

        Raises:
            UserError: one example alone does not fit into memory.
        """
        assert not self.objective.independent, "a reference is of whole examples"
        known = with_baselines(examples)
        notice(f"Scoring {sum(len(one.sequences) for one in known):,} sequences with the model as it begins, once for the whole run.")
        self.reference, reference = None, Reference.of(known)
        self.model.eval()

        def ask() -> None:
            for group, _ in self._groups(known):
                with memory_for(group):
                    reference.logprobs[reference.places(group)] = self.score(group).sequence_logprobs().cpu()

        with torch.no_grad():
            self._within_memory(ask)
        if self.world.size > 1:  # each process knows its own part, of which it may have asked some twice
            mine = set(self.world.share(range(len(known)), lambda place: known[place].num_tokens))
            others = [one for place, one in enumerate(known) if place not in mine]
            reference.logprobs[reference.places(others)] = 0
            self.world.add_up([reference.logprobs])
        self.reference = reference

    def _sum_gradient(self, examples: list[TrainingExample]) -> tuple[torch.Tensor, Summaries]:
        """The loss is the mean by the normalizers of all examples, not of each micro-batch."""
        by_token = self.config.normalize == "token"
        normalizer = sum(example.weight * (example.normalizer if by_token else 1) for example in examples)
        total = torch.zeros((), device=self.scorer.device)
        summaries = []
        for group, counts in self._groups(examples):
            with memory_for(group):
                scores = self.score(group)
                loss = self._loss(group, scores) * counts / normalizer
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
                if counts:
                    summaries.append((group, summarise(self.objective, group, scores)))
        return total, summaries

    def _loss(self, group: list[TrainingExample], scores: TokenScores) -> torch.Tensor:
        """Returns the summed loss of a micro-batch, yet to be divided by what the step counts for."""
        by_token = self.config.normalize == "token"
        if by_token and all(example.weight == 1 for example in group):
            return self.objective.loss(scores)
        shares = [example.weight / (1 if by_token else example.normalizer) for example in group]
        return (self.objective.row_losses(scores) * torch.tensor(shares, device=scores.logprobs.device)).sum()

    def _groups(self, examples: list[TrainingExample]) -> Iterator[tuple[list[TrainingExample], bool]]:
        """Divides this process's part of examples into micro-batches, smaller ones than the config lets where memory has run out before.

        Where the base is divided among the processes, all make as many forward passes: who has fewer repeats one, which does not count.
        """
        limit = self.micro_batch_tokens
        config = self.config if limit is None else self.config.model_copy(update={"micro_batch_tokens": limit})
        mine = self.world.share(examples, lambda one: one.num_tokens)
        groups = list(micro_batches(mine, config, packed=self.scorer.packed, apart=self.objective.independent)) if mine else []
        missing = 0
        if self.config.shard and self.world.size > 1 and examples:
            missing = self.world.largest(len(groups), self.scorer.device) - len(groups)
        yield from ((group, True) for group in groups)
        yield from [(groups[0] if groups else examples[:1], False)] * missing

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
                if self.config.shard:  # the other processes are in the middle of the same pass
                    raise does_not_fit(group[0]) from error
            self.model.zero_grad()
            longest = max(group, key=lambda example: example.longest)
            if len(group) == 1:
                self._save_memory(longest)
                continue
            positions = sum(one.num_tokens for one in group) if self.scorer.packed else longest.longest * len(group)
            self.micro_batch_tokens = positions // 2
            notice(
                f"Memory ran out in a forward pass of {positions:,} tokens: from here on one takes {positions // 2:,} at most. "
                f"A step is {self.config.batch_size} examples, as before."
            )

    def _save_memory(self, longest: TrainingExample) -> None:
        """Turns to activation checkpointing, where the options let it and it is not on.

        Raises:
            UserError: it does not help.
        """
        if self.scorer.is_checkpointed or self.config.activation_checkpointing is False:
            raise does_not_fit(longest)
        try:
            self.scorer = self.scorer.checkpointed()
        except UserError as error:
            raise does_not_fit(longest) from error
        notice("Memory ran out on one example: from here on layers are computed again in the backward pass (activation_checkpointing).")


def with_baselines(examples: list[TrainingExample]) -> list[TrainingExample]:
    """Returns examples, and behind them what their baselines are measured on, which have a reference of their own."""
    return [*examples, *(example.as_baseline() for example in examples if example.baseline)]
