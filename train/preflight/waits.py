"""What one waits for beside the steps: the reference, validations, checkpoints, and the proofs at the end."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from train.config import TrainConfig
from train.data.order import RunPlan
from train.inference.generation import answer_limit
from train.preflight.pace import Pace
from train.preflight.result import Estimate
from train.preflight.timing import FEW_POSITIONS, Timings
from train.preflight.work import Work
from train.prepare import Prepared
from train.proofs.equal_batches import handful
from train.proofs.option_effects import COMMON, SIZES
from train.proofs.options import flat
from train.proofs.short_runs import NoSmallModelError, RunRows, ShortRuns, with_options
from train.proofs.stopping import why_not_judged

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Bytes a second of writing a checkpoint: of a plain disk, and of a slow and a fast one. Nothing is written to find out.
_DISK, _SLOW_DISK, _FAST_DISK = 4e8, 8e7, 2e9
# So many short runs does the proof of the options make, about; one is made here.
_NUM_SHORT_RUNS = 30


def checkpoint_seconds(num_bytes: int, num_examples: int, config: TrainConfig) -> Estimate:
    """Returns the seconds of writing all checkpoints of a run.

    Args:
        num_bytes: of one checkpoint.
        num_examples: of the train split.
        config: the run's options.
    """
    plan = RunPlan.of(num_examples, config)
    ends = {*range(plan.steps_per_epoch, plan.num_steps, plan.steps_per_epoch), plan.num_steps}
    saved = {*ends, *range(config.checkpoint_every, plan.num_steps, config.checkpoint_every)}
    named = plan.named_steps(config)
    # Those that stay are written twice: the best may be any at the end of an epoch.
    num_fewest = len(saved | named) + len(named)
    written = Estimate((num_fewest + 1) * num_bytes, num_fewest * num_bytes, (num_fewest + len(ends)) * num_bytes)
    return Estimate(written.value / _DISK, written.low / _FAST_DISK, written.high / _SLOW_DISK)


def writes_answers(prepared: Prepared, num_steps: int) -> bool:
    """Says whether the run ends with answers that the model writes."""
    return why_not_judged(prepared.objective.form, num_steps, len(prepared.data.validation)) is None


@dataclass(frozen=True, slots=True)
class Proving:
    """The proofs at the end of a run.

    Attributes:
        batches: seconds of computing a handful of examples in three ways.
        answers: seconds of writing answers.
        short_runs: seconds of the short runs on a small model.
    """

    batches: Estimate
    answers: Estimate
    short_runs: Estimate

    @classmethod
    def of(cls, prepared: Prepared, config: TrainConfig, pace: Pace, timings: Timings, tokenizer: "PreTrainedTokenizerBase") -> "Proving":
        """Estimates them; one short run is made."""
        rows = handful(prepared.data.train)
        at_once, singly = Work.of(rows, packed=False), [Work.of([row], packed=False) for row in rows]
        # The model's own attention on padding is slower than ours, by how much depends on the architecture.
        base = pace.total([at_once, *singly, Work.of(rows, packed=True)])
        batches = Estimate(1.3 * base.value, base.low, 2.5 * base.high)
        return cls(batches, _answers(prepared, timings), _short_runs(prepared, config, tokenizer))

    @property
    def seconds(self) -> Estimate:
        """All of them."""
        return self.batches + self.answers + self.short_runs


def proof_positions(prepared: Prepared) -> int:
    """Returns what the model reads at once in the proofs: a handful of examples, padded."""
    return Work.of(handful(prepared.data.train), packed=False).num_positions


def _answers(prepared: Prepared, timings: Timings) -> Estimate:
    if not timings.few_positions:
        return Estimate(0, 0, 0)
    lengths = [sum(len(sequence.targets) for sequence in one.sequences) for one in prepared.data.train]
    prompt = float(np.mean([one.num_tokens for one in prepared.data.train])) * FEW_POSITIONS
    reading = prompt * max(seconds / work.num_positions for work, seconds in timings.forward)
    usual, few, many = float(np.quantile(lengths, 0.75)), float(np.median(lengths)), answer_limit(max(lengths))
    return Estimate(*(reading + timings.few_positions * number for number in (usual, few / 2, many)))


def _short_runs(prepared: Prepared, config: TrainConfig, tokenizer: "PreTrainedTokenizerBase") -> Estimate:
    """Makes one short run in a folder that is gone afterwards."""
    options = flat(config)
    started = time.perf_counter()
    try:
        rows = RunRows(prepared.dataset, prepared.data, tokenizer)
        with ShortRuns.open(rows, prepared.model_folder, prepared.objective.auto_class) as runs:
            opened = time.perf_counter()
            runs.outcome(with_options(options, {name: COMMON[name] for name in SIZES}))
            each = time.perf_counter() - opened
    except NoSmallModelError:
        return Estimate(0, 0, 0)
    whole = opened - started + _NUM_SHORT_RUNS * each
    return Estimate(whole, whole / 2, whole * 1.5)
