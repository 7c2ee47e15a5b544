"""Proof: the first steps of the run were those of a plain loop: padded, one example a forward pass, the model's own attention."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from train.data.examples import TrainingExample
from train.engine.loop import Trainer
from train.models.load import unwrapped
from train.runs.evidence import StepRecord
from train.runs.proof import Proof

# Relative, of each number that a step records. The norm of the weights tells one learning rate from another: Adam's first update has
# the size of the rate whatever the gradient's, and rounding leaves it alone. In bfloat16 a loss over 16 tokens is off by some 0.025.
TOLERANCES = {
    "float32": {"loss": 1e-4, "gradient_norm": 1e-3, "parameters_norm": 5e-5},
    "bfloat16": {"loss": 0.08, "gradient_norm": 0.25, "parameters_norm": 5e-5},
}


def replay(trainer: Trainer, also: list[TrainingExample]) -> tuple[StepRecord, ...]:
    """Does the first steps again in reference form, with a trainer that has done none; it has their weights afterwards.

    Args:
        trainer: of the run's options, on its base model.
        also: examples that an objective's reference is to know beside those of the steps.
    """
    limits = {"micro_batch_size": 1, "micro_batch_tokens": 1 << 30}
    with trainer.scorer.plainly() as plain:
        passes = replace(trainer.passes, scorer=plain, config=trainer.config.model_copy(update=limits))
        steps = replace(trainer, passes=passes).first_steps(also)
        trainer.passes.reference = passes.reference
    return steps


def prove_first_steps(
    recorded: Sequence[StepRecord], replayed: Sequence[StepRecord], model: Any, dtype: str, *, started: bool = False
) -> Proof:
    """Compares what the run recorded of its first steps with what a plain loop makes of them.

    Args:
        recorded: by the run.
        replayed: by `replay`.
        model: the model, which may have dropout: other micro-batches draw other numbers then.
        dtype: the precision of the run.
        started: it began with the weights of another run.
    """
    dropouts = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Dropout) and module.p > 0]
    if getattr(unwrapped(model).config, "attention_dropout", 0.0) or not all("lora_dropout" in name for name in dropouts):
        return Proof.not_applicable("the base model has dropout, which draws other numbers in other micro-batches")
    tolerances = TOLERANCES[dtype]
    note = ""
    if dropouts and started:
        return Proof.not_applicable("the adapter has dropout, and was none that adds nothing when the run began: other numbers are drawn")
    if dropouts:  # a new adapter adds nothing, so that its dropout leaves the first loss alone, and the gradient not
        recorded, replayed, tolerances = recorded[:1], replayed[:1], {"loss": tolerances["loss"]}
        note = " (of the first loss alone, as the adapter has dropout)"
    compared = [
        (abs(getattr(one, name) - getattr(other, name)) / max(abs(getattr(other, name)), 1e-9) / tolerance, name, one, other)
        for one, other in zip(recorded, replayed, strict=True)
        for name, tolerance in tolerances.items()
    ]
    worst, name, one, other = max(compared, key=lambda found: found[0])
    told = f"{name} of step {one.step}: {getattr(one, name):.6g} in the run, {getattr(other, name):.6g} in the plain loop"
    return Proof.at_most(worst, 1.0, f"largest relative difference over its tolerance{note}; {told}")
