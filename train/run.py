"""One training run, from a dataset folder to a run folder: the work behind `train.train`."""

from pathlib import Path

from loopwright.progress import ProgressCallback
from prep.dataset.plugins import dataset_plugins
from train.config import TrainConfig
from train.prepare import prepare
from train.proofs.option_reads import counting_reads
from train.runs.record import RunRecord


def train(
    dataset_dir: Path,
    run_dir: Path,
    config: TrainConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    config_path: Path | None = None,
) -> RunRecord:
    """Trains on a dataset and writes the run folder; `run.json` comes last and says that the run is whole.

    Everything about the data is checked before the model is loaded or a file is written.

    Args:
        dataset_dir: a dataset that `prep build` wrote.
        run_dir: the run's folder.
        config: the run's options.
        resume: go on from the run folder's checkpoint; a run that is finished already is returned as it is.
        overwrite: remove the run that is in the folder.
        progress: called after each step.
        config_path: the config whose plug-ins are used; default: the one that lies beside the dataset, see `dataset_plugins`.

    Raises:
        UserError: the dataset, its rows, the model, an option or the run folder is not fit; or training diverged.
    """
    with dataset_plugins(dataset_dir, config_path):
        config = counting_reads(config)
        prepared = prepare(dataset_dir, run_dir, config, resume=resume, overwrite=overwrite)
        # Torch takes seconds to import: nobody should wait for it to read that a folder is missing.
        from train.session import run_session

        return run_session(prepared, run_dir, config, resume=resume, overwrite=overwrite, progress=progress)
