"""Proof: an objective that compares with a reference begins where the model is that reference, and learns from there."""

from train.objectives.base import Objective
from train.runs.evidence import StepRecord
from train.runs.proof import Proof

TOLERANCES = {"float32": 1e-4, "bfloat16": 0.02}


def prove_reference_start(objective: Objective, first_steps: list[StepRecord], dtype: str) -> Proof:
    """The first loss is the one that equals give (of DPO ln 2: -log sigmoid of no difference), and its gradient is not zero."""
    if not objective.needs_reference:
        return Proof.not_applicable(f"the objective '{objective.name}' has no reference")
    if not first_steps:
        return Proof.not_applicable("the run recorded no first step")
    first = first_steps[0]
    if not first.gradient_norm > 0:
        return Proof(passed=False, value=first.gradient_norm, tolerance=0, reason="the first gradient is zero: nothing can be learned")
    difference = abs(first.loss - objective.start_loss)
    reason = f"the first loss is {first.loss:.5f}, where a model that is its own reference has {objective.start_loss:.5f}"
    return Proof.at_most(difference, TOLERANCES[dtype], reason)
