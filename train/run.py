"""One training run, from a dataset folder to a run folder."""

import shutil
from pathlib import Path
from typing import Any

from loopwright import __version__
from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.files import atomic_file, require_writable
from prep.dataset import MANIFEST_NAME, Dataset
from templates.chat import load_tokenizer
from train import checkpoint
from train.adapter import CONFIG_NAME, WEIGHTS_NAME, add_adapter, save_adapter
from train.config import TrainConfig
from train.examples import TrainingData, load_examples
from train.ledger import Ledger, mean_loss
from train.loop import Plan, StepOrder, Trainer
from train.models import load_model, model_folder, model_sha256
from train.objective import OBJECTIVES
from train.record import FILE_NAME, RunRecord, mask_proof
from train.scoring import Scorer

LEDGER_NAME = "ledger.parquet"


def train(dataset_dir: Path, run_dir: Path, config: TrainConfig, *, resume: bool = False, overwrite: bool = False) -> RunRecord:
    """Trains an adapter and writes the run folder; `run.json` comes last and says that the run is whole.

    Everything about the data is checked before the model is loaded or a file is written.

    Args:
        dataset_dir: a dataset that `prep build` wrote.
        run_dir: the run's folder.
        config: the run's options.
        resume: go on from the run folder's checkpoint; a run that is finished already is returned as it is.
        overwrite: remove the run that is in the folder.

    Raises:
        UserError: the dataset, its rows, the model, an option or the run folder is not fit; or training diverged.
    """
    import torch

    dataset = Dataset.open(dataset_dir)
    objective = OBJECTIVES.get(config.objective)
    if (run_dir / MANIFEST_NAME).exists():
        raise UserError("the run folder is a dataset, which the next build replaces", str(run_dir), "Give another --out.")
    finished = _finished_run(run_dir, resume=resume, overwrite=overwrite)
    require_writable(run_dir)
    folder = model_folder(config.model)
    tokenizer = load_tokenizer(config.model)
    data = load_examples(dataset, objective, tokenizer, config, length_limit(folder, config))
    _report_left_out(data)
    identity = {
        "loopwright_version": __version__,
        "dataset_key": dataset.manifest.key,
        "model_sha256": model_sha256(folder),
        "config": config.model_dump(mode="json", exclude={"model"}),  # the model is known by its hash, wherever it lies
    }
    if finished:
        return _require_same_run(finished, identity, run_dir)
    start = checkpoint.load_checkpoint(run_dir, identity) if resume else None
    if resume:
        notice(f"Resuming after step {start.progress.num_steps}." if start else "There is no checkpoint yet: starting from the beginning.")
    model = load_model(config.model, config.dtype)
    torch.manual_seed(config.seed)
    adapted = add_adapter(model, config.lora)
    trainer = Trainer(adapted, Scorer.for_model(adapted), objective, config, data, Ledger(), checkpoint.Progress())
    if overwrite:
        _remove_run(run_dir)
    trainer.run(run_dir, identity, start)
    save_adapter(adapted, run_dir)
    with atomic_file(run_dir / LEDGER_NAME) as path:
        trainer.ledger.finished().write_parquet(path)
    record = _record(trainer, dataset, folder, identity)
    record.save(run_dir)
    shutil.rmtree(run_dir / checkpoint.FOLDER_NAME, ignore_errors=True)
    return record


def length_limit(folder: Path, config: TrainConfig) -> int:
    """Returns the longest example in tokens: `max_length`, or what the model can take where that is less.

    Raises:
        UserError: the model's config cannot be read.
    """
    from transformers import AutoConfig

    try:
        model_config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"cannot read the model's config: {str(error).splitlines()[0]}", str(folder)) from error
    return min(config.max_length, getattr(model_config, "max_position_embeddings", None) or config.max_length)


def _finished_run(run_dir: Path, *, resume: bool, overwrite: bool) -> RunRecord | None:
    """Returns the finished run that is to be resumed; refuses a folder whose run nobody asked to touch."""
    if resume and overwrite:
        raise UserError("--resume and --overwrite exclude each other", remedy="Resume goes on with the run, overwrite removes it.")
    if run_dir.exists() and not run_dir.is_dir():
        raise UserError("the run folder is a file", str(run_dir), "Give another --out.")
    finished, begun = (run_dir / FILE_NAME).exists(), (run_dir / checkpoint.FOLDER_NAME).exists()
    if resume:
        return RunRecord.load(run_dir) if finished else None
    if finished and not overwrite:
        raise UserError("the folder holds a finished run", str(run_dir), "Give another --out, or --overwrite to replace it.")
    if begun and not overwrite:
        raise UserError("the folder holds an unfinished run", str(run_dir), "Finish it with --resume, or replace it with --overwrite.")
    return None


def _require_same_run(finished: RunRecord, identity: dict[str, Any], run_dir: Path) -> RunRecord:
    config = {key: value for key, value in finished.config.items() if key != "model"}
    checkpoint.require_same(
        {
            "loopwright_version": finished.loopwright_version,
            "dataset_key": finished.dataset_key,
            "model_sha256": finished.model_sha256,
            "config": config,
        },
        identity,
        run_dir,
    )
    notice("The run is finished already; nothing was done.")
    return finished


def _remove_run(run_dir: Path) -> None:
    """Removes a run's own files, and nothing else that may lie in the folder."""
    for name in (FILE_NAME, WEIGHTS_NAME, CONFIG_NAME, LEDGER_NAME):  # run.json first: without it the folder holds no finished run
        (run_dir / name).unlink(missing_ok=True)
    shutil.rmtree(run_dir / checkpoint.FOLDER_NAME, ignore_errors=True)


def _report_left_out(data: TrainingData) -> None:
    if data.too_long:
        notice(f"{len(data.too_long)} examples exceed the length limit and are left out; run.json lists them.")
    if data.other_form:
        notice(f"{len(data.other_form)} examples do not have the form that is trained and are left out; run.json lists them.")


def _record(trainer: Trainer, dataset: Dataset, folder: Path, identity: dict[str, Any]) -> RunRecord:
    config, data, progress = trainer.config, trainer.data, trainer.progress
    plan = Plan.of(len(data.train), config)
    recorded = trainer.ledger.recorded()
    order = StepOrder(data.train, config, plan)
    num_tokens = sum(example.num_tokens for step in range(plan.num_steps) for example in order[step])
    first = data.train[0]
    return RunRecord(
        loopwright_version=__version__,
        objective=config.objective,
        form=trainer.objective.form,
        model=config.model,
        model_path=str(folder),
        model_sha256=identity["model_sha256"],
        dataset=str(dataset.path),
        dataset_key=dataset.manifest.key,
        final_train_loss=mean_loss(recorded.filter(recorded["step"] > plan.num_steps - plan.steps_per_epoch)),
        validation_loss=progress.validation_losses[-1][1] if progress.validation_losses else None,
        validation_losses=list(progress.validation_losses),
        num_examples=len(data.train),
        num_validation_examples=len(data.validation),
        num_steps=plan.num_steps,
        num_tokens=num_tokens,
        num_trained_tokens=int(recorded["num_trained_tokens"].sum()),
        seconds=round(progress.seconds, 3),
        tokens_per_second=round(num_tokens / progress.seconds, 1),
        dtype=str(trainer.scorer.causal.dtype).removeprefix("torch."),
        packed=trainer.scorer.packed,
        seed=config.seed,
        dropped_too_long=data.too_long,
        dropped_other_form=data.other_form,
        system_prompt=data.system_prompt,
        config=config.model_dump(mode="json"),
        sample=mask_proof(first.id, first.encoded),
    )
