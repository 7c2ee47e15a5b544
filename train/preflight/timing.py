"""Some micro-batches of a run, timed: forward, backward and the optimiser's step, with the user's model and rows."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from loopwright.console import notice
from train.data.examples import TrainingExample
from train.data.packing import collate, micro_batches
from train.engine.free_memory import used_bytes
from train.engine.loop import Trainer
from train.engine.memory import OutOfMemory, does_not_fit, memory_for
from train.engine.optim import make_optimizer
from train.engine.reference import Reference
from train.engine.tensor_hash import hash_tensors
from train.methods.base import trainable
from train.preflight.memory import MeasuredMemory
from train.preflight.work import RunWork, Work

# Quantiles of the micro-batches by their operations, in the order in which they are timed: the ends first, as they decide the line.
_QUANTILES = (1.0, 0.0, 0.5, 0.75, 0.25)
_FEWEST = 2
FEW_POSITIONS = 16
"""As many as prompts are answered at once in the proof that answers end."""
# Timing goes on until there are so many rounds, or one round is done and so much time has passed; what lasts long is not done again.
_MOST_ROUNDS, _LONG_ENOUGH_S, _TOO_LONG_S = 3, 6.0, 60.0


@dataclass(slots=True)
class Timings:
    """What was timed.

    Attributes:
        batches: micro-batches that were trained, with their seconds.
        forward: micro-batches that were scored alone, with their seconds.
        updates: seconds of each optimiser's step, the clipping of the gradient included.
        memory: of the largest micro-batch.
        few_positions: seconds of a forward pass of `FEW_POSITIONS`, as writing takes one for each token; 0 where nothing is written.
        record: seconds of hashing what is trained, as each of the first steps does.
        checkpoint_bytes: what is trained, and the optimiser's state.
    """

    batches: list[tuple[Work, float]] = field(default_factory=list)
    forward: list[tuple[Work, float]] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    memory: MeasuredMemory | None = None
    few_positions: float = 0.0
    record: float = 0.0
    checkpoint_bytes: int = 0

    @property
    def update_seconds(self) -> float:
        """The seconds of an optimiser's step."""
        return statistics.median(self.updates)


def spread_over(work: RunWork, flops: Callable[[Work], float]) -> list[int]:
    """Returns which micro-batches are timed, by their places: the largest, the smallest, and some between them."""
    ordered = sorted(range(len(work.works)), key=lambda place: (flops(work.works[place]), place))
    return list(dict.fromkeys(ordered[round(share * (len(ordered) - 1))] for share in _QUANTILES))


def take_timings(trainer: Trainer, work: RunWork, places: Sequence[int], *, writes: bool) -> Timings:
    """Times some micro-batches; the weights stay as they are, as the learning rate is zero.

    The first one, the smallest, is done twice: its first time warms the machine up, and makes the optimiser's state.

    Args:
        trainer: of a run that was not begun.
        work: the run's.
        places: of the micro-batches in it, the largest one first.
        writes: the run has the model write answers at its end.

    Raises:
        OutOfMemory: one of them does not fit.
    """
    timings = Timings()
    if trainer.objective.needs_reference:
        trainer.passes.reference = _reference_of(trainer, [work.groups[place] for place in places])
    notice(f"Timing {len(places)} micro-batches of different lengths.")
    smallest, largest = places[min(1, len(places) - 1)], places[0]
    optimizer = make_optimizer(trainable(trainer.model), trainer.config, trainer.rate_of)
    _train(trainer, work.groups[smallest])
    _update(trainer, optimizer)
    if not work.accumulates:  # else the gradient of the micro-batches before is there when the largest one, the step's last, is done
        optimizer.zero_grad()
    before = used_bytes()
    begun = time.perf_counter()
    for number in range(_MOST_ROUNDS):
        for place in places:
            timings.batches.append((work.works[place], _train(trainer, work.groups[place])))
            timings.updates.append(_update(trainer, optimizer))
            if place == largest and timings.memory is None:
                timings.memory = MeasuredMemory.after(before, work.works[place].num_positions)
            optimizer.zero_grad()
            passed = time.perf_counter() - begun
            if passed > _TOO_LONG_S and len(timings.batches) >= _FEWEST:
                break
        if passed > _LONG_ENOUGH_S and number + 1 >= _FEWEST // len(places):
            break
    _score(trainer, [work.groups[smallest]])
    chosen = places if passed < _TOO_LONG_S else places[:_FEWEST]
    timings.forward = _score(trainer, [work.groups[place] for place in chosen])
    timings.few_positions = _seconds(trainer, lambda: trainer.scorer.logits(list(range(FEW_POSITIONS)))) if writes else 0.0
    weights = trainable(trainer.model).values()
    timings.record = _seconds(trainer, lambda: hash_tensors(weights))
    state = (value for one in optimizer.state.values() for value in one.values() if isinstance(value, torch.Tensor))
    timings.checkpoint_bytes = sum(tensor.nbytes for tensor in (*weights, *state))
    return timings


def within_memory(trainer: Trainer, work_of: Callable[[], RunWork], take: Callable[[RunWork], Timings]) -> tuple[RunWork, Timings, bool]:
    """Takes timings; each time that memory runs out, anew with smaller micro-batches, as a run does.

    Returns:
        The run's work as it is divided in the end, the timings, and whether memory ran out.

    Raises:
        UserError: one example alone does not fit.
    """
    ran_out = False
    while True:
        work = work_of()
        try:
            return work, take(work), ran_out
        except OutOfMemory as error:
            group = error.group
        ran_out = True
        trainer.model.zero_grad()
        positions = Work.of(group, packed=trainer.scorer.packed).num_positions
        if len(group) == 1:
            raise does_not_fit(group[0])
        trainer.passes.micro_batch_tokens = positions // 2
        notice(f"Memory ran out in a forward pass of {positions:,} tokens: planning with {positions // 2:,} at most.")


def _train(trainer: Trainer, group: list[TrainingExample]) -> float:
    """Returns the seconds of a forward and backward pass."""
    trainer.model.train()
    return _seconds(trainer, lambda: trainer.passes.accumulate(group))


def _update(trainer: Trainer, optimizer: torch.optim.Optimizer) -> float:
    """Returns the seconds of the optimiser's step."""

    def work() -> None:
        torch.nn.utils.clip_grad_norm_(trainable(trainer.model).values(), trainer.config.max_grad_norm)
        optimizer.step()

    return _seconds(trainer, work)


def _score(trainer: Trainer, groups: list[list[TrainingExample]], reference: Reference | None = None) -> list[tuple[Work, float]]:
    """Scores micro-batches without a gradient, as a validation does; returns the seconds of each.

    Args:
        trainer: with the model.
        groups: the micro-batches.
        reference: takes what the model says of each sequence.
    """
    packed = trainer.scorer.packed
    trainer.model.eval()

    def score(group: list[TrainingExample]) -> None:
        with torch.no_grad(), memory_for(group):
            scores = trainer.scorer.score(collate(group, trainer.scorer.device, packed=packed))
            if reference is not None:
                reference.logprobs[reference.places(group)] = scores.sequence_logprobs().cpu()

    return [(Work.of(group, packed=packed), _seconds(trainer, lambda group=group: score(group))) for group in groups]  # type: ignore[misc]


def _reference_of(trainer: Trainer, groups: list[list[TrainingExample]]) -> Reference:
    """Returns what the model, as a run begins with it, says of some examples, and of what their baselines are measured on."""
    examples = list({example.id: example for group in groups for example in group}.values())
    baselines = [example.as_baseline() for example in examples if example.baseline]
    reference = Reference.of([*examples, *baselines])
    divided = micro_batches(baselines, trainer.config, packed=trainer.scorer.packed) if baselines else ()
    _score(trainer, [*groups, *divided], reference)
    return reference


def _seconds(trainer: Trainer, work: Callable[[], object]) -> float:
    """Returns how long something takes, the device's share included."""
    started = time.perf_counter()
    work()
    if trainer.scorer.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
