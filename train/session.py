"""Training what has been prepared: model, method, loop, and the files of the run."""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from loopwright import __version__
from loopwright.console import notice
from loopwright.files import atomic_file
from loopwright.plugins import plugins_key
from loopwright.progress import ProgressCallback
from prep.dataset.canaries import is_canary_id
from templates.chat import ChatTemplateConfig, load_tokenizer
from train.config import ELSEWHERE, TrainConfig, completed, flat_options
from train.data.branch import Branch
from train.data.examples import TrainingExample
from train.data.mixture import MixedDataset, own_ids
from train.engine import checkpoint
from train.engine.branch_start import branch_start
from train.engine.flops import flops_per_token
from train.engine.loop import Trainer
from train.engine.peak import product_rate, useful_flops_per_token
from train.engine.sharding import require_shardable
from train.engine.start import announce
from train.engine.validation import ValidationScores
from train.influence.rows import add_influence
from train.influence.write import write_influence
from train.ledger.ledger import mean_loss
from train.methods.base import saved_names
from train.models.load import model_sha256
from train.models.quantize import load_for_training
from train.models.shared import SharedBase
from train.prepare import Prepared, checkpoint_scorer
from train.proofs.at_end import prove_at_end
from train.proofs.fresh_process import FreshProcess
from train.reporting import row_facts
from train.reports.page import write_report
from train.runs.card import write_card
from train.runs.folder import CHECKPOINT_NAME, LEDGER_NAME, remove_run
from train.runs.record import BranchRecord, MixedDatasetRecord, MixtureRecord, RunRecord, mask_proof
from train.runs.tokenizer_files import save_tokenizer
from train.trackers.tracking import tracking
from train.world import ALONE, World


def run_session(
    prepared: Prepared,
    run_dir: Path,
    config: TrainConfig,
    *,
    resume: bool,
    overwrite: bool,
    progress: ProgressCallback | None = None,
    branch: Branch | None = None,
    bases: SharedBase | None = None,
) -> RunRecord:
    """Trains and writes the run folder, `run.json` last.

    Args:
        prepared: the checked run.
        run_dir: the run's folder.
        config: the run's options.
        resume: go on from the run folder's checkpoint; a run that is finished already is returned as it is.
        overwrite: remove the run that is in the folder.
        progress: called after each step.
        branch: the run's checkpoint that is gone on from, and what is changed.
        bases: has the base model where the run before left it as it was, and gets it back; None: it is loaded.

    Raises:
        UserError: the model cannot be loaded, the run in the folder is another one, or training diverged.
    """
    identity = _identity(prepared, config, branch)
    if prepared.finished:
        finished = _require_same_run(prepared.finished, identity, run_dir)
        data = branch.data if branch else prepared.data
        return add_influence(prepared, data, run_dir, finished) if _wants_influence(finished, config) else finished
    score = checkpoint_scorer(prepared, config)
    start = checkpoint.load_checkpoint(run_dir, identity) if resume else None
    if branch is not None and start is None:
        start = branch_start(branch, identity, run_dir)
        notice(f"Going on from step {branch.step} of {branch.run_dir}.")
    elif resume:
        notice(f"Resuming after step {start.progress.num_steps}." if start else "There is no checkpoint yet: starting from the beginning.")
    world = World.of_environment()
    require_shardable(config, world)
    world.join()
    loads = FreshProcess() if world.is_first and not config.shard else nullcontext()
    with loads as fresh, tracking(config.track if world.is_first else ()) as trackers:
        base = (bases or SharedBase()).take(
            lambda: load_for_training(config.model, config.dtype, prepared.objective.auto_class, config.quantize, shard=config.shard)
        )
        weights = None if prepared.start is None else prepared.start.weights
        data = branch.data if branch else prepared.data
        trainer = Trainer.begin(base, prepared.objective, prepared.method, data, score=score, start=weights, world=world)
        if branch is not None:
            trainer.order = branch.order(config)
        if overwrite and world.is_first:
            remove_run(run_dir, saved_names())
        announce(trainer, prepared.model_folder)
        told = {**flat_options(config), "dataset": str(prepared.dataset.path)}
        trackers.begin(run_dir, told, start.progress.num_steps if start else 0, resume=resume)
        trainer.watch = trackers.log
        trainer.run(run_dir, identity, start, progress)
        trainer.passes.world = ALONE  # what is left to do, the first process does
        record = world.from_first(lambda: _save(trainer, prepared, run_dir, identity, branch, world=world))
        if world.is_first or config.shard:  # of a base that is divided, each forward pass needs all processes
            num_done = start.progress.num_steps if start else 0
            evidence, proofs = prove_at_end(trainer, prepared, run_dir, record, fresh, trained_here=num_done < record.num_steps)
            record = record.model_copy(update={"evidence": evidence, "proofs": proofs})
        trackers.record = record = world.from_first(lambda: record)
    if bases is not None and not config.shard:
        trainer.scorer.restore_attention()
        bases.kept = prepared.method.released(trainer.model)
    if world.is_first:
        _finish(trainer, run_dir, record)
    world.join()  # what comes next in any process finds the run whole
    return record


def _finish(trainer: Trainer, run_dir: Path, record: RunRecord) -> None:
    """Writes what people read of a run, then `run.json`, and takes away what only an unfinished run needs."""
    write_card(record, run_dir)
    write_report(record, run_dir, row_facts(trainer.data.train))
    record.save(run_dir)
    trainer.leave_kept(run_dir)
    shutil.rmtree(run_dir / CHECKPOINT_NAME, ignore_errors=True)


def _identity(prepared: Prepared, config: TrainConfig, branch: Branch | None) -> dict[str, Any]:
    """Returns what tells this run from any other, and has to be the same where one goes on."""
    plugins = plugins_key("objectives", "methods")
    return {
        "loopwright_version": __version__,
        "dataset_key": prepared.dataset.manifest.key,
        "model_sha256": model_sha256(prepared.model_folder),
        "config": config.model_dump(mode="json", exclude=ELSEWHERE),
        **_mixture_of(_mixture(prepared, Counter())),
        **({} if prepared.start is None else {"start": prepared.start.sha256}),
        **({} if plugins is None else {"plugins": plugins}),
        **_chat_template_of(prepared.chat_template),
        **_branch_of(branch.record() if branch else None),
    }


def _save(
    trainer: Trainer, prepared: Prepared, run_dir: Path, identity: dict[str, Any], branch: Branch | None, *, world: World
) -> RunRecord:
    """Writes what was trained, and what training saw of the rows; returns the run's record.

    Raises:
        UserError: a file cannot be written.
    """
    trainer.use_best(run_dir, identity)
    prepared.method.save(trainer.model, run_dir)
    save_tokenizer(load_tokenizer(trainer.config.model), run_dir)
    ledger = trainer.ledger.finished()
    with atomic_file(run_dir / LEDGER_NAME) as path:
        (ledger if prepared.data.draws is None else own_ids(ledger)).write_parquet(path)
    if trainer.progress.best is not None:
        ValidationScores.of(trainer.progress.best, trainer.data.validation, trainer.config.best).save(run_dir)
    influence = write_influence(trainer, run_dir)  # before the proofs, which would see a weight that it changed
    record = _record(trainer, prepared, identity, branch)
    rate = product_rate(trainer.passes)
    useful = useful_flops_per_token(trainer.passes, [trainer.order[step] for step in range(record.num_steps)])
    of_the_machine = {
        "num_processes": world.size if world.size > 1 else None,
        "product_rate": rate and rate * world.size,
        "share_of_peak": rate and useful * record.tokens_per_second / (rate * world.size),
    }
    return record.model_copy(update={"influence": influence, **of_the_machine})


def _num_canaries(prepared: Prepared, train: Sequence[TrainingExample], branch: Branch | None) -> int:
    """Returns how many canaries the weights have seen, those of what they began with among them."""
    seen = {one.id for one in (*train, *(branch.before if branch else ())) if is_canary_id(one.row_id)}
    before = None if prepared.start is None else RunRecord.load(prepared.start.weights).canaries
    return len(seen) + (before or 0)


def _require_same_run(finished: RunRecord, identity: dict[str, Any], run_dir: Path) -> RunRecord:
    config = completed({"method": finished.method, **finished.config})
    checkpoint.require_same(
        {
            "loopwright_version": finished.loopwright_version,
            "dataset_key": finished.dataset_key,
            "model_sha256": finished.model_sha256,
            "config": config,
            **_mixture_of(finished.mixture),
            **({} if finished.start is None else {"start": finished.start.sha256}),
            **({} if finished.plugins is None else {"plugins": finished.plugins}),
            **_chat_template_of(finished.chat_template),
            **_branch_of(finished.branch),
        },
        identity,
        run_dir,
    )
    notice("The run is finished already; nothing was trained.")
    return finished


def _wants_influence(finished: RunRecord, config: TrainConfig) -> bool:
    """Says whether a finished run is to get sketches that it has not."""
    return config.influence is not None and (finished.influence is None or finished.influence.size != config.influence.size)


def _chat_template_of(options: ChatTemplateConfig) -> dict[str, Any]:
    """Returns what a run's identity says of its chat template: nothing where it is used as it is, as runs of earlier versions do."""
    return {} if options == ChatTemplateConfig() else {"chat_template": options.model_dump(mode="json")}


def _ranked(trainer: Trainer) -> float | None:
    """Returns the share of validation pairs that the saved weights rank rightly; None of an objective that ranks nothing."""
    even, best = trainer.objective.even_loss, trainer.progress.best
    return None if even is None or best is None else sum(loss < even for loss in best.losses) / len(best.losses)


def _branch_of(branch: BranchRecord | None) -> dict[str, Any]:
    return {} if branch is None else {"branch": branch.identity()}


def _mixture(prepared: Prepared, drawn: Mapping[str, int]) -> MixtureRecord | None:
    """Returns what is recorded of a mixture, of which so many examples were drawn by dataset; None where there is one dataset."""
    dataset, data = prepared.dataset, prepared.data
    if not isinstance(dataset, MixedDataset) or data.draws is None:
        return None
    held_out = Counter(example.dataset for example in data.validation)
    size, draws = data.draws.epoch_size, data.draws
    datasets = {
        name: MixedDatasetRecord(
            path=str(part.path),
            key=part.manifest.key,
            share=draws.counts[name] / size,
            per_epoch=draws.counts[name],
            num_examples=len(draws.places[name]),
            num_validation_examples=held_out[name],
            drawn=drawn.get(name, 0),
            replayed=name in dataset.mixture.replayed,
        )
        for name, part in dataset.parts.items()
    }
    return MixtureRecord(epoch_size=size, datasets=datasets)


def _mixture_of(record: MixtureRecord | None) -> dict[str, Any]:
    """Returns what a run's identity says of its mixture: nothing where there is none, as in earlier versions."""
    return {} if record is None else {"mixture": record.identity()}


def _record(trainer: Trainer, prepared: Prepared, identity: dict[str, Any], branch: Branch | None) -> RunRecord:
    config, data, progress = trainer.config, trainer.data, trainer.progress
    plan, num_steps = trainer.plan, progress.num_steps
    recorded = trainer.ledger.recorded()
    taken = [example for step in range(num_steps) for example in trainer.order[step]]
    num_tokens = sum(example.num_tokens for example in taken)
    mixture = _mixture(prepared, Counter(example.dataset for example in taken))
    best_step = progress.best.step if progress.best else num_steps
    first = data.train[0]
    return RunRecord(
        loopwright_version=__version__,
        objective=config.objective,
        method=config.method,
        auto_class=trainer.objective.auto_class,
        form=trainer.objective.form,
        model=config.model,
        model_path=str(prepared.model_folder.resolve()),
        model_sha256=identity["model_sha256"],
        dataset=str(prepared.dataset.path) if mixture is None else ", ".join(one.path for one in mixture.datasets.values()),
        dataset_key=prepared.dataset.manifest.key,
        start=None if prepared.start is None else prepared.start.record(),
        mixture=mixture,
        plugins=identity.get("plugins"),
        final_train_loss=mean_loss(recorded.filter(recorded["step"] > num_steps - plan.steps_per_epoch), data.train),
        validation_loss=dict(progress.validation_losses).get(best_step),
        validation_losses=list(progress.validation_losses),
        validation_by_task=list(progress.validation_by_task),
        validation_loss_before=progress.loss_before,
        validation_ranked=_ranked(trainer),
        num_examples=len(data.train),
        num_validation_examples=len(data.validation),
        num_steps=num_steps,
        best_step=best_step,
        num_tokens=num_tokens,
        num_trained_tokens=int(recorded["num_trained_tokens"].sum()),
        seconds=round(progress.seconds, 3),
        tokens_per_second=round(num_tokens / progress.seconds, 1),
        peak_memory_bytes=progress.peak_memory_bytes,
        flops_per_token=flops_per_token(trainer.model, data.train),
        micro_batch_tokens=progress.micro_batch_tokens,
        dtype=str(trainer.scorer.dtype).removeprefix("torch."),
        packed=trainer.scorer.packed,
        seed=config.seed,
        branch=branch.record() if branch else None,
        dropped_too_long=data.too_long,
        dropped_other_form=data.other_form,
        canaries=_num_canaries(prepared, data.train, branch) or None,
        leaks=prepared.leaks.ids,
        system_prompt=data.system_prompt,
        chat_template=prepared.chat_template,
        chat_template_kwargs=prepared.chat_template.kwargs,
        config=config.model_dump(mode="json"),
        sample=mask_proof(first.id, [(sequence.name, sequence.encoded) for sequence in first.sequences]),
    )
