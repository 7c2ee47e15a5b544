"""All proofs at the end of a run, with the model that was trained still in memory."""

from pathlib import Path

from templates.chat import load_tokenizer
from train.engine.loop import Trainer
from train.engine.tensor_hash import hash_tensors
from train.methods.base import trainable
from train.prepare import Prepared
from train.proofs.equal_batches import prove_equal_batches
from train.proofs.fresh_process import FreshProcess
from train.proofs.option_reads import unread_options
from train.proofs.options import platform_name, prove_options, show_effects
from train.proofs.reference_start import prove_reference_start
from train.proofs.saved_weights import loading_request, make_probe, prove_moved_logits, prove_saved_weights
from train.proofs.short_runs import RunRows
from train.proofs.stopping import prove_answers_stop, why_not_judged
from train.proofs.trained_answers import prove_trained_answers, trained_ids_hash
from train.runs.evidence import Evidence
from train.runs.proof import Proof
from train.runs.record import RunRecord


def prove_at_end(
    trainer: Trainer, prepared: Prepared, run_dir: Path, record: RunRecord, fresh: FreshProcess
) -> tuple[Evidence, dict[str, Proof]]:
    """Records what `train verify` compares with, and makes the proofs.

    Args:
        trainer: with the model as it was saved.
        prepared: the checked run.
        run_dir: where it was saved.
        record: what `run.json` will say beside them.
        fresh: loads what was saved, while the other proofs are made.
    """
    objective, data, dtype = prepared.objective, prepared.data, record.dtype
    tokenizer = load_tokenizer(record.model, record.chat_template.on_a_day())
    trainer.model.eval()
    probe = make_probe(trainer.scorer, data)
    fresh.ask(loading_request(run_dir, prepared.model_folder, dtype, objective.auto_class, probe))
    unread = unread_options(trainer.config)
    effects = show_effects(trainer.config, RunRows(prepared.dataset, data, tokenizer), prepared.model_folder, objective.auto_class)
    evidence = Evidence(
        trained_ids_hash=trained_ids_hash(data.train),
        first_steps=list(trainer.progress.first_steps),
        probe=probe,
        weights_hash=hash_tensors(trainable(trainer.model).values()),
        unread_options=unread,
        small_steps_hash=None if isinstance(effects, str) else effects.own_hash,
        platform=platform_name(),
    )
    proofs = {"trained_answers": prove_trained_answers(prepared.dataset, objective.form, tokenizer, data.train, evidence.trained_ids_hash)}
    proofs |= prove_equal_batches(trainer, dtype)
    if (reason := why_not_judged(objective.form, record.num_steps, len(data.validation))) is not None:
        proofs["answers_stop"] = Proof.not_applicable(reason)
    else:
        with trainer.scorer.answering():
            proofs["answers_stop"] = prove_answers_stop(trainer.model, tokenizer, prepared.dataset)
    proofs["reference_start"] = prove_reference_start(objective, evidence.first_steps, dtype)
    proofs["options"] = prove_options(trainer.config, unread, effects)
    proofs["first_steps"] = Proof.not_applicable("`train verify` does the first steps again, on the base as it was before them")
    loaded = fresh.answer()
    proofs["saved_weights"] = prove_saved_weights(evidence, loaded, dtype)
    proofs["moved_logits"] = prove_moved_logits(loaded, record.num_steps)
    return evidence, proofs
