"""The library calls of `train`: what its commands do, each in one call."""

from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.console import library_call
from loopwright.errors import UserError
from loopwright.library import StrPath, config_file, section_options
from loopwright.plugin_config import plugins_of
from loopwright.plugins import use_plugins
from loopwright.progress import ProgressOption
from train.config import MixtureConfig, SweepConfig, TrainConfig
from train.curve import FEWEST_SIZES, CurveResult, run_curve
from train.data.changes import RowChanges
from train.given import data_source, rlhf_options, stages_plan, train_options
from train.ledger.influence import Measure
from train.ledger.influence import nearest_rows as find_nearest
from train.policy.config import RlhfConfig
from train.policy.run import train_policy
from train.preflight.plan import plan
from train.preflight.result import PlanResult
from train.results import ExportResult, TrainResult
from train.run import train as run_training
from train.runs.proof import Proof
from train.search import SweepResult, run_sweep
from train.stages.result import StagesResult
from train.stages.run import run_stages as train_stages


def train(
    dataset: StrPath | None = None,
    out: StrPath | None = None,
    config: StrPath | Mapping[str, Any] | TrainConfig | None = None,
    *,
    mixture: Mapping[str, Any] | MixtureConfig | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: ProgressOption = False,
    **options: Any,
) -> TrainResult:
    """Trains on a dataset, or on a mixture of several, and writes the run folder, as `train run` does.

    Everything about the data is checked before the model is loaded or a file is written.

    Args:
        dataset: a built dataset's folder; None: the mixture.
        out: the run's folder.
        config: a config file, of which the `train:` section is read; or what such a section says, as a mapping or `TrainConfig`.
        mixture: what a section `mixture:` says, whose paths are then relative to the working folder; default: that of the config file.
        resume: go on from the run folder's checkpoint; a run that is finished already is returned as it is.
        overwrite: remove the run that is in the folder.
        progress: true shows a bar on stderr; a function is called with `training`, the steps that are done, and their number.
        options: keys of the `train:` section by name, such as `model` or `max_steps`, which override the config; None is not given.

    Raises:
        UserError: the dataset, its rows, the model, an option or the run folder is not fit; or training diverged.
    """
    with library_call(progress) as callback:
        if out is None:
            raise UserError("no folder is named for the run", "out", "Name one.")
        chosen = train_options(config, options)
        source = data_source(None if dataset is None else Path(dataset), mixture, config_file(config))
        record = run_training(
            source, Path(out), chosen, resume=resume, overwrite=overwrite, progress=callback, config_path=config_file(config)
        )
        return TrainResult(Path(out), record)


def plan_run(
    dataset: StrPath,
    config: StrPath | Mapping[str, Any] | TrainConfig | None = None,
    *,
    progress: ProgressOption = False,
    **options: Any,
) -> PlanResult:
    """Says how long a run will take and how much memory, as `train plan` does; writes nothing.

    The model is loaded and some micro-batches of the run are timed; the rest follows from their lengths. What a run refuses is refused,
    but for rows over the length limit and rows that leak, of which the result warns.

    Args:
        dataset: a built dataset's folder.
        config: a config file, of which the `train:` section is read; or what such a section says, as a mapping or `TrainConfig`.
        progress: true shows on stderr what is done.
        options: keys of the `train:` section by name, such as `model` or `max_steps`, which override the config; None is not given.

    Raises:
        UserError: the dataset, its rows, the model or an option is not fit.
    """
    with library_call(progress):
        chosen = train_options(config, options)
        return plan(Path(dataset), chosen, config_file(config))


def sweep_runs(
    dataset: StrPath,
    out: StrPath,
    config: StrPath | Mapping[str, Any],
    *,
    progress: ProgressOption = False,
    **options: Any,
) -> SweepResult:
    """Trains a run for each choice of options and compares them in pairs on the validation split, as `train sweep` does.

    Runs that are there already are not trained again.

    Args:
        dataset: a built dataset's folder.
        out: the sweep's folder.
        config: a config file, of which the `train:` and `sweep:` sections are read; or a mapping with these two keys.
        progress: true shows a bar a run on stderr; a function is called with `training`, the steps that are done, and their number.
        options: keys of the `train:` section by name, which override the config for all runs; None is not given.

    Raises:
        UserError: the dataset or an option is not fit, there is no `sweep:` section, or no run could be trained.
    """
    with library_call(progress) as callback:
        if isinstance(config, Mapping):
            shared = train_options(config.get("train") or {}, options)
            asked = section_options(config.get("sweep") or {}, "sweep", SweepConfig, {}, "sweep")
        else:
            shared = train_options(config, options)
            asked = section_options(config, "sweep", SweepConfig, {}, "sweep")
        return run_sweep(Path(dataset), Path(out), shared, asked, progress=callback, config_path=config_file(config))


def learning_curve(
    dataset: StrPath,
    out: StrPath,
    config: StrPath | Mapping[str, Any] | TrainConfig | None = None,
    *,
    sizes: int = FEWEST_SIZES,
    progress: ProgressOption = False,
    **options: Any,
) -> CurveResult:
    """Trains on nested parts of the train split and says whether more data would help, as `train curve` does.

    Args:
        dataset: a built dataset's folder, with a validation split.
        out: the curve's folder; runs that are there are taken up again.
        config: a config file, of which the `train:` section is read; or what such a section says, as a mapping or `TrainConfig`.
        sizes: how many sizes from a sixteenth of the train split to all of it; five or more.
        progress: true shows a bar on stderr; a function is called with `training`, the steps of a run that are done, and their number.
        options: keys of the `train:` section by name, which override the config; None is not given.

    Raises:
        UserError: the dataset or an option is not fit, there are too few rows, or a run could not be trained.
    """
    with library_call(progress) as callback:
        chosen = train_options(config, options)
        return run_curve(Path(dataset), Path(out), chosen, sizes=sizes, progress=callback, config_path=config_file(config))


def branch_run(
    run: StrPath,
    step: int,
    changes: RowChanges | None = None,
    seed: int | None = None,
    *,
    out: StrPath,
    dataset: StrPath | None = None,
    model: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: ProgressOption = False,
    config: StrPath | None = None,
) -> TrainResult:
    """Goes on from a checkpoint that a run keeps, with rows dropped, relabelled, weighted or added: what would have become of it?

    With no change and the run's own seed it comes to the same bytes. The steps stay those of the run: their number, their learning rates,
    and which rows each takes, but for what is changed. See `keep_checkpoints` for which checkpoints a run keeps.

    Args:
        run: a finished run's folder; of one from several seeds, that of the median validation loss is meant.
        step: of the checkpoint, counted in steps done.
        changes: what is different about the train split from there on; None is nothing.
        seed: decides dropout and the order of the rows from there on; default: the run's.
        out: the folder of the run that is made.
        dataset: the dataset that the run was trained on, where it is no longer where `run.json` says.
        model: the base model, where it is no longer where `run.json` says.
        resume: go on with the run in `out`.
        overwrite: remove the run that is in `out`.
        progress: true shows a bar on stderr; a function is called with `training`, the steps that are done, and their number.
        config: a config whose plug-ins are used, for a run of such an objective or method.

    Raises:
        UserError: the run is not finished or keeps no such checkpoint; dataset or model are not the run's; a change does not fit; or
            training diverged.
    """
    from train.branch import branch_run as go_on

    with library_call(progress) as callback:
        record = go_on(
            Path(run),
            step,
            changes or RowChanges(),
            Path(out),
            seed=seed,
            dataset_dir=None if dataset is None else Path(dataset),
            model=model,
            resume=resume,
            overwrite=overwrite,
            progress=callback,
            config_path=None if config is None else Path(config),
        )
        return TrainResult(Path(out), record)


def report_run(run: StrPath, dataset: StrPath | None = None, *, model: str | None = None, config: StrPath | None = None) -> Path:
    """Writes the page of a finished run again, as `train report` does, and returns its path.

    Args:
        run: a finished run's folder; of several seeds, the pages of the seeds are written as well.
        dataset: the dataset that it was trained on, for where rows stand and how long they are; default: the one that `run.json` names,
            where it is still there.
        model: the base model, whose tokenizer counts, where it is no longer where `run.json` says.
        config: a config whose plug-ins are used, for a run of such an objective.

    Raises:
        UserError: the run is not finished, model or dataset are not the run's, or the page cannot be written.
    """
    from train.reporting import report_run as report  # it brings what encodes rows

    with library_call():
        return report(Path(run), None if dataset is None else Path(dataset), model, config_file(config))


def run_stages(
    out: StrPath,
    config: StrPath | Mapping[str, Any],
    *,
    overwrite: bool = False,
    progress: ProgressOption = False,
    **options: Any,
) -> StagesResult:
    """Trains stages, each from the weights of the one before, and measures each model on all of them, as `train stages` does.

    Stages that are there already are not trained again.

    Args:
        out: the folder of all; each stage is a run in a folder of its name.
        config: a config file, of which the `train:` and `stages:` sections are read; or a mapping with these two keys.
        overwrite: train all of them anew.
        progress: true shows a bar a run on stderr; a function is called with `training`, the steps that are done, and their number.
        options: keys of the `train:` section by name, which override the config for all stages; None is not given.

    Raises:
        UserError: a dataset, its rows, the model, an option or a folder is not fit; or training diverged.
    """
    with library_call(progress) as callback:
        file = config_file(config)
        with use_plugins(plugins_of(file)):
            stages = stages_plan(config, options)
        return train_stages(stages, Path(out), overwrite=overwrite, progress=callback, config_path=file)


def rlhf(
    dataset: StrPath,
    out: StrPath,
    config: StrPath | Mapping[str, Any] | RlhfConfig | None = None,
    *,
    overwrite: bool = False,
    progress: ProgressOption = False,
    **options: Any,
) -> TrainResult:
    """Goes on from a run by what a reward model says of the answers that it draws, as `train rlhf` does.

    Args:
        dataset: a built dataset, whose chats and pairs give the prompts; their answers are not read.
        out: the run's folder.
        config: a config file, of which the `rlhf:` section is read; or what such a section says, as a mapping or `RlhfConfig`.
        overwrite: remove the run that is in the folder.
        progress: true shows a bar on stderr; a function is called with `training`, the steps that are done, and their number.
        options: keys of the `rlhf:` section by name, which override the config; None is not given.

    Raises:
        UserError: the dataset, one of the runs, an option or the folder is not fit; or TRL is not installed.
    """
    with library_call(progress) as callback:
        chosen, file = rlhf_options(config, options), config_file(config)
        record = train_policy(Path(dataset), Path(out), chosen, overwrite=overwrite, progress=callback, config_path=file)
        return TrainResult(Path(out), record)


def verify_run(
    run: StrPath, dataset: StrPath | Sequence[StrPath] | None = None, *, model: str | None = None, config: StrPath | None = None
) -> dict[str, Proof]:
    """Repeats the proofs at the end of a run, as `train verify` does.

    Args:
        run: a finished run's folder.
        dataset: the dataset that it was trained on, or all of a mixture; without it, the proofs about rows are not applicable.
        model: the base model, where it is no longer where `run.json` says.
        config: a config whose plug-ins are used, for a run of such an objective or method.

    Raises:
        UserError: the run is not finished, or of a version without proofs; or model or dataset are not the run's.
    """
    from train.proofs.verify import verify_run as verify  # torch takes seconds to import

    with library_call():
        given = [] if dataset is None else [dataset] if isinstance(dataset, str | PathLike) else dataset
        return verify(Path(run), [Path(one) for one in given], model, None if config is None else Path(config))


def sketch_rows(
    run: StrPath,
    dataset: StrPath,
    split: str = "test",
    *,
    ids: Collection[str] | None = None,
    model: str | None = None,
    config: StrPath | None = None,
) -> pl.DataFrame:
    """Sketches the gradients of rows as a run that was trained with `influence` did its training rows, for `nearest_rows`.

    Args:
        run: the run's folder.
        dataset: a built dataset's folder; it need not be the one that the run was trained on.
        split: whose rows.
        ids: those of them that are asked about, by the column `id` of examples.parquet; None: all.
        model: the base model, where it is no longer where `run.json` says.
        config: a config whose plug-ins are used, for a run of such an objective or method.

    Returns:
        The columns of `influence.parquet`: `id`, `step`, and the sketch, which is `norm` times `sketch`.

    Raises:
        UserError: the run has no sketches or no longer its checkpoints, the base model is another, or the rows cannot be read.
    """
    from train.influence.rows import sketch_rows as sketch  # torch takes seconds to import

    with library_call():
        return sketch(Path(run), Path(dataset), split, ids=ids, model=model, config_path=None if config is None else Path(config))


def nearest_rows(
    run: StrPath, sketches: pl.DataFrame, *, top: int = 10, measure: Measure = "cosine", opposing: bool = False
) -> pl.DataFrame:
    """Returns for each sketched row the training rows that push the model towards what it says: whose steps lower this row's loss most.

    Args:
        run: a run that was trained with `influence`.
        sketches: what `sketch_rows` returned of the same run.
        top: training rows for each.
        measure: `cosine`, from -1 to 1, or `dot`, in nats, in which rows with long gradients lead.
        opposing: the rows that push the other way, the strongest first.

    Returns:
        `id`, `rank` from 1, `train_id`, and `score`: summed over the checkpoints by the learning rate of the steps up to each (TracIn-CP;
        Pruthi et al., 2020).

    Raises:
        UserError: the run has no sketches, or these are not of it.
    """
    with library_call():
        return find_nearest(Path(run), sketches, top=top, measure=measure, opposing=opposing)


def export_run(
    run: StrPath,
    out: StrPath,
    to: str = "merged",
    *,
    with_base: bool = False,
    seed: int | None = None,
    model: str | None = None,
    dataset: StrPath | None = None,
    config: StrPath | None = None,
    overwrite: bool = False,
    with_canaries: bool = False,
) -> ExportResult:
    """Writes a run as a folder that other programs load, as `train export` does.

    Args:
        run: a finished run's folder.
        out: the folder to write: new, empty or, with `overwrite`, an older export. It appears only when it is whole.
        to: `merged`, a plain transformers model with what was trained within its weights; or `adapter`, for peft and servers that take
            adapters.
        with_base: copy the base model into an adapter's folder.
        seed: which of a run's several seeds; default: that of the median validation loss.
        model: the base model, where it is no longer where `run.json` says.
        dataset: the dataset that the run was trained on, to measure the loss before and after; default: where `run.json` says, if it is
            still there.
        config: a config whose plug-ins are used, for a run of such an objective or method.
        overwrite: replace an older export.
        with_canaries: export a run that was trained on canaries (`prep build` plants them on request), too.

    Raises:
        UserError: the run is not finished or was trained on canaries, the base is gone or another one, the folder is taken, or a file
            cannot be written.
    """
    from train.export.run import export_run as export  # torch takes seconds to import

    with library_call():
        dataset_dir, config_path = (None if one is None else Path(one) for one in (dataset, config))
        record = export(
            Path(run),
            Path(out),
            to,
            with_base=with_base,
            seed=seed,
            model=model,
            dataset_dir=dataset_dir,
            config_path=config_path,
            overwrite=overwrite,
            with_canaries=with_canaries,
        )
        return ExportResult(Path(out), record)
