"""Model loading, the training loop, objectives, the training ledger."""

from typing import TYPE_CHECKING

from loopwright.siblings import require_siblings

require_siblings("templates", "prep")

__all__ = [
    "MixtureConfig",
    "StagesResult",
    "SweepConfig",
    "SweepResult",
    "TrainConfig",
    "TrainResult",
    "run_stages",
    "sweep_runs",
    "train",
    "verify_run",
]

if TYPE_CHECKING:
    from train.api import TrainResult, run_stages, sweep_runs, train, verify_run
    from train.config import MixtureConfig, SweepConfig, TrainConfig
    from train.search import SweepResult
    from train.stages.result import StagesResult
else:
    from loopwright.library import lazy_names

    __getattr__ = lazy_names(
        __name__,
        {
            "MixtureConfig": "train.config",
            "StagesResult": "train.stages.result",
            "SweepConfig": "train.config",
            "SweepResult": "train.search",
            "TrainConfig": "train.config",
            "TrainResult": "train.api",
            "run_stages": "train.api",
            "sweep_runs": "train.api",
            "train": "train.api",
            "verify_run": "train.api",
        },
    )
