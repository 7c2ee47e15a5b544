"""One training run, from a dataset folder to a run folder: the work behind `train.train`."""

from functools import partial
from pathlib import Path

from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.progress import ProgressCallback
from prep.dataset.plugins import dataset_plugins
from train.config import TrainConfig
from train.data.mixture import Mixture, first_path
from train.methods.base import saved_names
from train.models.shared import SharedBase
from train.prepare import prepare, with_learning_rate
from train.proofs.option_reads import counting_reads
from train.reports.page import write_seeds_report
from train.runs.folder import finished_run, remove_run, seed_dir
from train.runs.record import RunRecord
from train.world import World


def train(
    source: Path | Mixture,
    run_dir: Path,
    config: TrainConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    config_path: Path | None = None,
    bases: SharedBase | None = None,
) -> RunRecord:
    """Trains on a dataset, or on several, and writes the run folder; `run.json` comes last and says that the run is whole.

    From several seeds, each is a whole run in a folder `seed-N`, and `run.json` is that of the median validation loss, with `seeds`.

    Everything about the data is checked before the model is loaded or a file is written.

    Args:
        source: a dataset that `prep build` wrote, or several.
        run_dir: the run's folder.
        config: the run's options.
        resume: go on from the run folder's checkpoint; a run that is finished already is returned as it is.
        overwrite: remove the run that is in the folder.
        progress: called after each step.
        config_path: the config whose plug-ins are used; default: the one that lies beside the dataset, see `dataset_plugins`.
        bases: keeps the base model for several runs in turn; None: it is loaded.

    Raises:
        UserError: the dataset, its rows, the model, an option or the run folder is not fit; or training diverged.
    """
    if config.seeds > 1:
        return _train_seeds(source, run_dir, config, resume=resume, overwrite=overwrite, progress=progress, config_path=config_path)
    with dataset_plugins(first_path(source), config_path):
        config = counting_reads(with_learning_rate(config))
        prepared = prepare(source, run_dir, config, resume=resume, overwrite=overwrite, config_path=config_path)
        # Torch takes seconds to import: nobody should wait for it to read that a folder is missing.
        from train.session import run_session

        return run_session(prepared, run_dir, config, resume=resume, overwrite=overwrite, progress=progress, bases=bases)


def _train_seeds(
    source: Path | Mixture,
    run_dir: Path,
    config: TrainConfig,
    *,
    resume: bool,
    overwrite: bool,
    progress: ProgressCallback | None,
    config_path: Path | None,
) -> RunRecord:
    """Trains a run a seed; gone on with, those that are finished are left as they are, so that seeds can be added."""
    finished = finished_run(run_dir, saved_names(), resume=resume, overwrite=overwrite)
    if finished is not None and finished.seeds is None:
        raise UserError("the folder holds a run of one seed", str(run_dir), "Give another --out, or --overwrite to replace it.")
    if overwrite:
        remove_run(run_dir, saved_names())
    records: list[RunRecord] = []
    bases = SharedBase()
    for seed in range(config.seed, config.seed + config.seeds):
        notice(f"== seed {seed} ==")
        one = config.model_copy(update={"seed": seed, "seeds": 1})
        folder = seed_dir(run_dir, seed)
        one_run = partial(train, source, folder, one, progress=progress, config_path=config_path, bases=bases)
        records.append(one_run(resume=resume, overwrite=overwrite))
    ranked = sorted(records, key=lambda one: one.final_train_loss if one.validation_loss is None else one.validation_loss)
    median = ranked[(len(ranked) - 1) // 2]
    seeds = [one.seed for one in records]
    record = median.model_copy(update={"seeds": seeds, "config": {**median.config, "seed": config.seed, "seeds": config.seeds}})
    if World.of_environment().is_first:
        write_seeds_report(record, records, run_dir)
        record.save(run_dir)
    return record
