"""Proof: what the run saved is what it trained, whoever loads it; and it makes the model answer otherwise than its base."""

from pathlib import Path
from typing import Any

import torch

from train.data.examples import TrainingData
from train.engine.loss import Scorer
from train.runs.evidence import Evidence, Probe
from train.runs.proof import Proof

_NUM_IDS, _NUM_POSITIONS, _NUM_TOKENS = 48, 8, 32
# Relative to the norm. peft computes an adapter in float32 where training computes it in bfloat16, which gives some 0.03 on a model of 30
# layers; whether the weights are the same is told to the bit, by their hash.
TOLERANCES = {"float32": 1e-4, "bfloat16": 0.1}
# Of the base's logits: what is less than this is no effect.
_LEAST_EFFECT = 1e-4
FEWEST_STEPS = 20
"""A model is expected to have learned something after so many steps."""


def make_probe(scorer: Scorer, data: TrainingData) -> Probe | None:
    """Asks the model in memory for a few logits at the end of a training example; None where it has none over its vocabulary."""
    input_ids = data.train[0].sequences[0].encoded.input_ids[-_NUM_IDS:]
    try:
        logits = scorer.logits(input_ids)
    except (RuntimeError, ValueError, TypeError, AttributeError):  # a model that answers with something else
        return None
    if logits.ndim != 2 or len(logits) != len(input_ids):
        return None
    token_ids = sorted({place * (logits.shape[1] - 1) // (_NUM_TOKENS - 1) for place in range(_NUM_TOKENS)})
    chosen = logits[-_NUM_POSITIONS:, token_ids]
    return Probe(input_ids=input_ids, token_ids=token_ids, logits=[[float(f"{value:.7g}") for value in row] for row in chosen.tolist()])


def loading_request(
    run_dir: Path, base: Path, dtype: str, auto_class: str, probe: Probe | None, *, start: Path | None = None
) -> dict[str, Any]:
    """Returns what the fresh process is asked; `start` is the folder of the weights that the run began with, where not with the base's."""
    return {
        "run": str(run_dir.resolve()),
        "base": str(base.resolve()),
        "start": None if start is None else str(start.resolve()),
        "dtype": dtype,
        "auto_class": auto_class,
        "input_ids": probe.input_ids if probe else [],
        "token_ids": probe.token_ids if probe else [],
        "num_positions": len(probe.logits) if probe else 0,
    }


def prove_saved_weights(evidence: Evidence, loaded: dict[str, Any], dtype: str) -> Proof:
    """The files, loaded by plain peft or transformers in a fresh process, are the weights that were trained and give their logits."""
    if (skipped := _not_loaded(loaded)) is not None:
        return skipped
    if loaded["unused"] or loaded["missing"]:
        num_unused, num_missing = len(loaded["unused"]), len(loaded["missing"])
        example = [*loaded["unused"], *loaded["missing"]][0]
        reason = f"{num_unused} saved weights are not taken, and {num_missing} are missing, such as {example}"
        return Proof(passed=False, value=num_unused + num_missing, tolerance=0, reason=reason)
    tolerance = TOLERANCES[dtype]
    difference = 0.0 if evidence.probe is None else _relative_difference(loaded["logits"], evidence.probe.logits)
    if loaded.get("weights_hash", evidence.weights_hash) != evidence.weights_hash:
        reason = "the saved weights are not those that were in memory at the end of training"
        return Proof(passed=False, value=difference, tolerance=tolerance, reason=reason)
    how = f"loaded by plain {loaded['format']} in a fresh process, which takes all weights"
    if evidence.probe is None:
        return Proof(passed=True, value=0, tolerance=0, reason=f"{how}; there are no logits over a vocabulary to compare")
    reason = f"{how}; relative difference of its logits to those in memory"
    return Proof.at_most(difference, tolerance, reason)


def prove_moved_logits(loaded: dict[str, Any], num_steps: int) -> Proof:
    """What was trained changes what the model said before: the base or, where the run began with another's weights, the base with those."""
    if num_steps < FEWEST_STEPS:
        return Proof.not_applicable(f"the run has {num_steps} steps, and this is judged from {FEWEST_STEPS} on")
    if (skipped := _not_loaded(loaded)) is not None:
        return skipped.model_copy(update={"passed": "not applicable"})
    if loaded["logits"] is None:
        return Proof.not_applicable("the model has no logits over its vocabulary")
    effect = _relative_difference(loaded["logits"], loaded["base_logits"])
    return Proof.at_least(
        effect, _LEAST_EFFECT, "relative difference of the logits to those that the run began with, which is to be above the tolerance"
    )


def _not_loaded(loaded: dict[str, Any]) -> Proof | None:
    if loaded.get("no_memory"):
        return Proof.not_applicable("there is no memory for the base model a second time")
    if "error" in loaded:
        return Proof(passed=False, reason=f"what was saved cannot be loaded: {loaded['error']}")
    if loaded["format"] is None:
        return Proof.not_applicable("the method saves in a format of its own, which neither peft nor transformers loads")
    return None


def _relative_difference(found: list[list[float]], expected: list[list[float]]) -> float:
    """Compares logits position by position; what all of a position have in common says nothing, and is left out."""
    one, other = (rows - rows.mean(1, keepdim=True) for rows in (torch.tensor(found), torch.tensor(expected)))
    return float((one - other).norm() / other.norm())
