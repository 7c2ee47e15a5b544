"""The library calls of `train`: what its commands do, each in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.console import library_call
from loopwright.errors import UserError
from loopwright.library import StrPath, config_file, section_options
from loopwright.notebook import html_table
from loopwright.plugin_config import plugins_of
from loopwright.plugins import use_plugins
from loopwright.progress import ProgressOption
from train.config import MixtureConfig, SweepConfig, TrainConfig
from train.given import data_source, stages_plan, train_options
from train.run import train as run_training
from train.runs.folder import LEDGER_NAME, weights_dir
from train.runs.proof import Proof, failed_proofs, proofs_summary
from train.runs.record import RunRecord
from train.search import SweepResult, run_sweep
from train.stages.result import StagesResult
from train.stages.run import run_stages as train_stages


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished training run.

    Attributes:
        out: the run's folder; `evals.evaluate` takes it as `adapter`.
        record: what `run.json` says.
    """

    out: Path
    record: RunRecord

    def to_polars(self) -> pl.DataFrame:
        """Returns the training ledger: one row an example and epoch, with its mean loss per trained token (nats).

        Raises:
            UserError: the run's folder is no longer there, or damaged.
        """
        try:
            return pl.read_parquet(weights_dir(self.out) / LEDGER_NAME)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError("the training ledger cannot be read", str(self.out / LEDGER_NAME), "Train again.") from error

    @property
    def failed_proofs(self) -> dict[str, Proof]:
        """The proofs at the end of the run that do not hold: where there are any, do not trust it."""
        return failed_proofs(self.record.proofs)

    def _repr_html_(self) -> str:
        record = self.record
        rows: list[tuple[str, object]] = [
            ("model", record.model),
            ("objective", record.objective),
            ("examples", record.num_examples),
            ("steps", record.num_steps),
            ("train loss (nats per trained token)", record.final_train_loss),
            ("validation loss", record.validation_loss),
            ("seconds", record.seconds),
        ]
        left_out = len(record.dropped_too_long) + len(record.dropped_other_form)
        notes = [f"left out: {left_out:,} examples"] if left_out else []
        notes += [proofs_summary(record.proofs)] if self.failed_proofs else []
        return html_table(f"run -> {self.out}", ("", "value"), rows, notes)


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
