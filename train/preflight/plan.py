"""Planning a run: prepared as the run is, a few micro-batches timed, the rest counted. The work behind `train.plan_run`."""

import time
from pathlib import Path

from prep.dataset.manifest import Dataset
from prep.dataset.plugins import dataset_plugins
from train.config import TrainConfig
from train.preflight.memory import forget_peak
from train.preflight.result import PlanResult
from train.prepare import checkpoint_scorer, prepare_rows, with_learning_rate
from train.trackers.base import require_trackers


def plan(dataset_dir: Path, config: TrainConfig, config_path: Path | None = None) -> PlanResult:
    """Says what a run will take; writes nothing, and leaves no trace of the model.

    What a run refuses before it loads the model is refused here as well, but for rows over the length limit and rows that leak, of which
    the result warns.

    Args:
        dataset_dir: a dataset that `prep build` wrote.
        config: the run's options.
        config_path: the config whose plug-ins are used; default: the one that lies beside the dataset.

    Raises:
        UserError: the dataset, its rows, the model or an option is not fit.
    """
    forget_peak()
    started = time.perf_counter()
    with dataset_plugins(dataset_dir, config_path):
        config = with_learning_rate(config)
        dataset = Dataset.open(dataset_dir)
        left_out = config.model_copy(update={"truncation": "drop"})  # they are counted, and said
        prepared = prepare_rows(dataset, left_out, dataset.manifest.chat_template, config_path)
        require_trackers(config.track)
        checkpoint_scorer(prepared, config)
        read = time.perf_counter()
        # Torch takes seconds to import: nobody should wait for it to read that a folder is missing.
        from train.preflight.rehearsal import rehearse

        return rehearse(prepared, config, started, read)
