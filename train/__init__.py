"""Model loading, the training loop, objectives, the training ledger."""

from typing import TYPE_CHECKING

from loopwright.siblings import require_siblings

require_siblings("templates", "prep")

__all__ = ["PlanResult", "SweepConfig", "SweepResult", "TrainConfig", "TrainResult", "plan_run", "sweep_runs", "train", "verify_run"]

if TYPE_CHECKING:
    from train.api import TrainResult, plan_run, sweep_runs, train, verify_run
    from train.config import SweepConfig, TrainConfig
    from train.preflight.result import PlanResult
    from train.search import SweepResult
else:
    from loopwright.library import lazy_names

    __getattr__ = lazy_names(
        __name__,
        {
            "PlanResult": "train.preflight.result",
            "SweepConfig": "train.config",
            "SweepResult": "train.search",
            "TrainConfig": "train.config",
            "TrainResult": "train.api",
            "plan_run": "train.api",
            "sweep_runs": "train.api",
            "train": "train.api",
            "verify_run": "train.api",
        },
    )
