"""All proofs at the end of a run, with the model that was trained still in memory."""

from pathlib import Path
from typing import TYPE_CHECKING

from templates.chat import load_tokenizer
from train.engine.loop import Trainer
from train.engine.sharding import NOT_WHOLE
from train.engine.tensor_hash import hash_tensors
from train.methods.base import trainable
from train.prepare import Prepared
from train.proofs import equal_batches
from train.proofs.attempt import attempt
from train.proofs.fresh_process import FreshProcess
from train.proofs.option_reads import unread_options
from train.proofs.options import OptionEffects, platform_name, prove_options, show_effects
from train.proofs.reference_start import prove_reference_start
from train.proofs.saved_weights import loading_request, make_probe, prove_moved_logits, prove_saved_weights
from train.proofs.short_runs import RunRows
from train.proofs.stopping import prove_answers_stop, why_not_judged
from train.proofs.trained_answers import CHANGED_ROWS, prove_trained_answers, trained_ids_hash
from train.runs.evidence import Evidence
from train.runs.proof import Proof
from train.runs.record import RunRecord

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def prove_at_end(
    trainer: Trainer, prepared: Prepared, run_dir: Path, record: RunRecord, fresh: FreshProcess | None, *, trained_here: bool
) -> tuple[Evidence, dict[str, Proof]]:
    """Records what `train verify` compares with, and makes the proofs.

    Args:
        trainer: with the model as it was saved.
        prepared: the checked run.
        run_dir: where it was saved.
        record: what `run.json` will say beside them.
        fresh: loads what was saved, while the other proofs are made; None where the base is divided among processes.
        trained_here: this process did steps of the run; one that finds all of them done reads few of the options.
    """
    objective, data, dtype = prepared.objective, trainer.data, record.dtype
    tokenizer = load_tokenizer(record.model, record.chat_template.on_a_day())
    trainer.model.eval()
    probe = make_probe(trainer.scorer, data)
    start = None if prepared.start is None else prepared.start.weights
    if fresh is not None:
        fresh.ask(loading_request(run_dir, prepared.model_folder, dtype, objective.auto_class, probe, start=start))
    unread = unread_options(trainer.config) if trained_here else None
    effects: OptionEffects | str = "short runs could not be made"

    def options() -> tuple[Proof]:
        nonlocal effects
        rows = RunRows(prepared.dataset, prepared.data, tokenizer)
        effects = show_effects(trainer.config, rows, prepared.model_folder, objective.auto_class)
        return (prove_options(trainer.config, unread, effects),)

    def answers() -> tuple[Proof]:
        if record.has_changed_rows:
            return (Proof.not_applicable(CHANGED_ROWS),)
        return (prove_trained_answers(prepared.dataset, objective, tokenizer, data.train, ids_hash),)

    ids_hash = trained_ids_hash(data.train)
    proofs = {
        **attempt(["trained_answers"], answers),
        **attempt(equal_batches.NAMES, lambda: equal_batches.prove_equal_batches(trainer, dtype)),
        **attempt(["answers_stop"], lambda: [_prove_answers_stop(trainer, prepared, tokenizer, record.num_steps)]),
        **attempt(["options"], options),
    }
    evidence = Evidence(
        trained_ids_hash=ids_hash,
        first_steps=list(trainer.progress.first_steps),
        probe=probe,
        weights_hash=hash_tensors(trainable(trainer.model).values()),
        unread_options=unread,
        small_steps_hash=None if isinstance(effects, str) else effects.own_hash,
        platform=platform_name(),
    )
    proofs["reference_start"] = prove_reference_start(objective, evidence.first_steps, dtype)
    proofs["first_steps"] = Proof.not_applicable("`train verify` does the first steps again, on the base as it was before them")
    if fresh is None:
        return evidence, proofs | dict.fromkeys(("saved_weights", "moved_logits"), Proof.not_applicable(NOT_WHOLE))
    loaded = fresh.answer()
    proofs |= attempt(["saved_weights"], lambda: [prove_saved_weights(evidence, loaded, dtype)])
    proofs |= attempt(["moved_logits"], lambda: [prove_moved_logits(loaded, record.num_steps)])
    return evidence, proofs


def _prove_answers_stop(trainer: Trainer, prepared: Prepared, tokenizer: "PreTrainedTokenizerBase", num_steps: int) -> Proof:
    reason = why_not_judged(prepared.objective.form, num_steps, len(prepared.data.validation))
    reason = NOT_WHOLE if trainer.config.shard else reason
    if reason is not None:
        return Proof.not_applicable(reason)
    with trainer.scorer.answering():
        return prove_answers_stop(trainer.model, tokenizer, prepared.dataset)
