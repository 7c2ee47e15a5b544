"""Proof: how examples are batched changes neither loss nor gradient. Packed is as padded, and many small micro-batches are as one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from train.data.examples import TrainingExample
from train.engine.loop import Trainer
from train.engine.loss import Scorer
from train.methods.base import trainable
from train.runs.proof import Proof

_MOST_TOKENS = 512
# Of the relative difference of the gradients, and of the losses. bfloat16 gives up to 0.09 on a model of 30 layers and four short answers.
TOLERANCES = {"float32": 1e-3, "bfloat16": 0.25}
_ALL_AT_ONCE = {"micro_batch_size": None, "micro_batch_tokens": 1 << 30}
_ONE_BY_ONE = {"micro_batch_size": 1, "micro_batch_tokens": 1 << 30}


def handful(examples: Sequence[TrainingExample]) -> list[TrainingExample]:
    """Returns up to eight examples, few and many trained tokens among them: where all have the same number, a wrong mean looks right.

    More than 512 tokens are taken only where two examples alone have more.
    """
    ordered = sorted(examples, key=lambda one: (sum(len(sequence.targets) for sequence in one.sequences), one.num_tokens, one.id))
    last = len(ordered) - 1
    # The ends first, so that a limit of tokens leaves what differs most.
    places = dict.fromkeys(round(share * last) for share in (0, 1, 1 / 2, 1 / 4, 3 / 4, 1 / 8, 3 / 8, 5 / 8))
    chosen: list[TrainingExample] = []
    for example in (ordered[place] for place in places):
        if len(chosen) < 2 or sum(one.num_tokens for one in chosen) + example.num_tokens <= _MOST_TOKENS:
            chosen.append(example)
    return chosen


NAMES = ("packed_equals_unpacked", "accumulation_equals_one_batch")
"""What `prove_equal_batches` proves."""


def prove_equal_batches(trainer: Trainer, dtype: str) -> tuple[Proof, Proof]:
    """Computes loss and gradient of a handful of training examples packed, padded and one by one."""
    rows = handful(trainer.data.train)
    tolerance = TOLERANCES[dtype]
    trainer.model.eval()  # dropout would draw other numbers in each
    with trainer.scorer.plainly() as plain:
        padded = _loss_and_gradient(trainer, plain, rows, _ALL_AT_ONCE)
        single = _loss_and_gradient(trainer, plain, rows, _ONE_BY_ONE)
    what = f"the larger relative difference of losses and of gradients, on {len(rows)} examples"
    if trainer.scorer.packed:
        packed = _loss_and_gradient(trainer, trainer.scorer, rows, _ALL_AT_ONCE)
        packing = Proof.at_most(_difference(packed, single), tolerance, f"packed against one by one: {what}")
    else:
        packing = Proof.not_applicable("this architecture is trained on padded examples")
    if len(rows) < 2:
        accumulation = Proof.not_applicable("there is one training example alone")
    else:
        accumulation = Proof.at_most(_difference(single, padded), tolerance, f"one micro-batch an example against one in all: {what}")
    return packing, accumulation


def _loss_and_gradient(
    trainer: Trainer, scorer: Scorer, examples: list[TrainingExample], limits: Mapping[str, int | None]
) -> tuple[float, list[torch.Tensor]]:
    """Returns what the training loop itself makes of some examples in micro-batches of some size."""
    config = trainer.config.model_copy(update=limits)
    apart = replace(trainer.passes, scorer=scorer, config=config)
    weights = list(trainable(trainer.model).values())
    trainer.model.zero_grad()
    loss = apart.accumulate(examples).item()
    gradient = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
    trainer.model.zero_grad()
    return loss, gradient


def _difference(found: tuple[float, list[torch.Tensor]], expected: tuple[float, list[torch.Tensor]]) -> float:
    squares = [
        (float((one.double() - other.double()).square().sum()), float(other.double().square().sum()))
        for one, other in zip(found[1], expected[1], strict=True)
    ]
    apart, whole = (sum(values) for values in zip(*squares, strict=True))
    of_losses = abs(found[0] - expected[0]) / max(abs(expected[0]), 1e-6)
    return max(of_losses, (apart / whole) ** 0.5 if whole else float(apart > 0))
