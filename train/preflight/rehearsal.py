"""A checked run, rehearsed: its model loaded, some micro-batches timed, and all of its parts added up."""

import time
from functools import reduce
from operator import add

from templates.chat import load_tokenizer
from train.config import TrainConfig
from train.data.order import RunPlan
from train.engine.flops import FlopModel
from train.engine.loop import NUM_RECORDED_STEPS, Trainer
from train.methods.base import trainable
from train.models.quantize import load_for_training
from train.preflight.advice import Outlook
from train.preflight.pace import Pace
from train.preflight.result import Estimate, PlanResult, TimedBatch
from train.preflight.timing import Timings, spread_over, take_timings, within_memory
from train.preflight.waits import Proving, checkpoint_seconds, proof_positions, writes_answers
from train.preflight.work import RunWork, Work, forward_works, padding_share
from train.prepare import Prepared

# Bytes a second at which a model's files are read and hashed, once a run.
_HASHED = 5e8
# Bytes that a row of the ledger takes in memory.
_LEDGER_ROW = 150


def rehearse(prepared: Prepared, config: TrainConfig, started: float, read: float) -> PlanResult:
    """Loads the model, times, and adds up.

    Args:
        prepared: the checked run; rows over the length limit are left out.
        config: its options as they were given.
        started: when the plan was begun, by `time.perf_counter`.
        read: and when its rows were read and encoded.

    Raises:
        UserError: the model cannot be loaded, the options do not fit it, or one example does not fit into memory.
    """
    base = load_for_training(config.model, config.dtype, prepared.objective.auto_class, config.quantize)
    start = None if prepared.start is None else prepared.start.weights
    trainer = Trainer.begin(base, prepared.objective, prepared.method, prepared.data, start=start)
    hashing = sum(path.stat().st_size for path in prepared.model_folder.glob("*.safetensors")) / _HASHED
    loading = time.perf_counter() - read + hashing
    seeds = [config.model_copy(update={"seed": config.seed + number, "seeds": 1}) for number in range(config.seeds)]
    flops = FlopModel.of(trainer.model)

    def take(work: RunWork) -> Timings:
        writes = writes_answers(prepared, work.num_steps)
        return take_timings(trainer, work, spread_over(work, lambda one: one.flops(flops)), writes=writes)

    first, timings, ran_out = within_memory(trainer, lambda: _work(trainer, seeds[0]), take)
    works = [first, *(_work(trainer, seed) for seed in seeds[1:])]
    pace = Pace.fit(timings.batches, flops)
    training = _training(works, pace, timings)
    minutes = {
        "reading": _measured(read - started).times(len(seeds)),
        "loading": _measured(loading).times(1 if _loads_once(prepared) else len(seeds)),
        **_scoring(trainer, works, Pace.fit(timings.forward, flops)),
        "training": training,
        "checkpoints": checkpoint_seconds(timings.checkpoint_bytes, len(prepared.data.train), config).times(len(seeds)),
        "proofs": _proving(prepared, config, pace, timings).times(len(seeds)),
    }
    parts = {name: part.times(1 / 60) for name, part in minutes.items() if part.high}
    padding = padding_share([one for work in works for one in work.works])
    trained = sum(weight.numel() for weight in trainable(trainer.model).values())
    assert timings.memory is not None
    gigabytes = timings.memory.of_run(proof_positions(prepared), _kept_bytes(prepared, config))
    vocabulary = trainer.model.get_input_embeddings().num_embeddings
    return PlanResult(
        minutes=reduce(add, parts.values()).rounded(),
        gigabytes=gigabytes.rounded(),
        num_tokens=sum(work.num_tokens for work in works),
        num_trained_tokens=sum(work.num_trained_tokens for work in works),
        padding_share=round(padding, 4),
        truncated_rows=len(prepared.data.too_long),
        adapter_parameters=trained,
        warnings=Outlook(prepared, config, padding, trained, vocabulary, gigabytes, ran_out).warnings(),
        seconds=training.rounded(),
        parts={name: part.rounded() for name, part in parts.items()},
        num_steps=sum(work.num_steps for work in works),
        timed=tuple(_timed(work, seconds, pace) for work, seconds in timings.batches),
    )


def _loads_once(prepared: Prepared) -> bool:
    """Says whether several seeds share a base: a head of one output, which is trained with the adapter, is not given back."""
    return prepared.method.leaves_base() and prepared.objective.reads == "tokens"


def _work(trainer: Trainer, config: TrainConfig) -> RunWork:
    limit = trainer.passes.micro_batch_tokens
    limited = config if limit is None else config.model_copy(update={"micro_batch_tokens": limit})
    return RunWork.of(trainer.data.train, limited, packed=trainer.scorer.packed, apart=trainer.objective.independent)


def _training(works: list[RunWork], pace: Pace, timings: Timings) -> Estimate:
    """Returns the seconds of all steps: their micro-batches, the updates, and what is recorded of the first ones."""
    passes = sum(work.scale * pace.seconds(one) for work in works for one in work.works)
    updates = timings.update_seconds * sum(work.num_steps for work in works)
    recorded = timings.record * sum(min(work.num_steps, NUM_RECORDED_STEPS) for work in works)
    return pace.around(passes + updates + recorded)


def _scoring(trainer: Trainer, works: list[RunWork], pace: Pace) -> dict[str, Estimate]:
    """Returns the seconds of what is scored without a gradient: the reference, once, and the validation split, before the first step
    and at each epoch's end."""
    data, config = trainer.data, trainer.config
    packed, apart = trainer.scorer.packed, trainer.objective.independent
    everything, held_out = (
        [*examples, *(one.as_baseline() for one in examples if one.baseline)]
        for examples in ([*data.train, *data.validation], data.validation)
    )
    asked = everything if trainer.objective.needs_reference else []
    reference = pace.total(forward_works(asked, config, packed=packed, apart=apart), len(works))
    num_validations = sum(1 + work.num_epochs_ended for work in works)
    return {"reference": reference, "validation": pace.total(forward_works(held_out, config, packed=packed, apart=apart), num_validations)}


def _proving(prepared: Prepared, config: TrainConfig, pace: Pace, timings: Timings) -> Estimate:
    tokenizer = load_tokenizer(config.model, prepared.chat_template.on_a_day())
    return Proving.of(prepared, config, pace, timings, tokenizer).seconds


def _kept_bytes(prepared: Prepared, config: TrainConfig) -> int:
    """Returns what a run keeps in memory beside its model: a number of each sequence, and the ledger."""
    data = prepared.data
    plan = RunPlan.of(len(data.train), config)
    num_sequences = sum(len(one.sequences) for one in (*data.train, *data.validation)) if prepared.objective.needs_reference else 0
    return 4 * num_sequences + _LEDGER_ROW * min(plan.num_steps * config.batch_size, config.epochs * len(data.train))


def _measured(seconds: float) -> Estimate:
    """Returns what was measured once: the next time files are in the machine's memory, or they are not."""
    return Estimate(seconds, seconds / 2, seconds * 1.5)


def _timed(work: Work, seconds: float, pace: Pace) -> TimedBatch:
    return TimedBatch(work.num_tokens, work.num_positions, work.longest, work.flops(pace.model), seconds, pace.seconds(work))
