"""A run that goes on from a kept checkpoint of another one, with changed rows or another seed: the work behind `train.branch_run`."""

from dataclasses import replace
from pathlib import Path

from loopwright.errors import UserError
from loopwright.progress import ProgressCallback
from prep.dataset.plugins import dataset_plugins
from templates.chat import load_tokenizer
from train.config import TrainConfig
from train.data.branch import Branch
from train.data.changes import RowChanges
from train.data.examples import load_examples
from train.data.recorded import dataset_of
from train.prepare import length_limit, prepare
from train.proofs.option_reads import counting_reads
from train.runs.folder import kept_steps, weights_dir
from train.runs.record import RunRecord


def branch_run(
    run_dir: Path,
    step: int,
    changes: RowChanges,
    out: Path,
    *,
    seed: int | None = None,
    dataset_dir: Path | None = None,
    model: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    config_path: Path | None = None,
) -> RunRecord:
    """Goes on from a checkpoint that a run keeps; with no change and the run's own seed, to the same bytes.

    The steps stay those of the run: their number, their learning rates, and which rows each takes, but for what is changed.

    Args:
        run_dir: a finished run; of one from several seeds, that of the median validation loss is meant.
        step: of the checkpoint, counted in steps done.
        changes: what is different about the train split from there on.
        out: the branch's folder.
        seed: decides dropout and the order of the rows from there on; default: the run's.
        dataset_dir: the dataset that the run was trained on, where it has moved.
        model: the base model, where it has moved.
        resume: go on with the branch.
        overwrite: replace the run in its folder.
        progress: called after each step.
        config_path: the config whose plug-ins are used.

    Raises:
        UserError: the run is not finished or keeps no such checkpoint; dataset or model are not the run's; a change does not fit; or
            training diverged.
    """
    folder = weights_dir(run_dir)
    record = RunRecord.load(folder)
    if step not in (kept := kept_steps(folder)):
        remedy = f"It keeps those of steps {', '.join(map(str, kept))}." if kept else "Train again with keep_checkpoints: [STEP]."
        raise UserError(f"the run keeps no checkpoint of step {step}", str(folder), remedy)
    if record.mixture is not None:
        raise UserError(
            "the run was trained on several datasets, and branches go on from runs of one", str(folder), "Train on one of them."
        )
    chosen = {"model": model or record.base_model, "seed": record.seed if seed is None else seed}
    config = counting_reads(TrainConfig.model_validate({**record.config, **chosen, "seeds": 1}))
    rows = dataset_dir or Path(record.dataset)
    with dataset_plugins(rows, config_path):
        dataset_of(record, [rows])
        day = record.chat_template.date
        prepared = prepare(rows, out, config, resume=resume, overwrite=overwrite, config_path=config_path, day=day)
        data = prepared.data
        if changes:
            tokenizer = load_tokenizer(config.model, prepared.chat_template.on_a_day())
            limit = length_limit(prepared.model_folder, config)
            data = load_examples(prepared.dataset, prepared.objective, tokenizer, config, limit, changes=changes)
            data = replace(data, validation=prepared.data.validation)
        branch = Branch(folder.resolve(), step, record.seed, changes, prepared.data.train, data)
        # Torch takes seconds to import: nobody should wait for it to read that a checkpoint is missing.
        from train.session import run_session

        return run_session(prepared, out, config, resume=resume, overwrite=overwrite, progress=progress, branch=branch)
