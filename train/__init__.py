"""Model loading, the training loop, objectives, the training ledger."""

from typing import TYPE_CHECKING

from loopwright.siblings import require_siblings

require_siblings("templates", "prep")

__all__ = [
    "CurveResult",
    "ExportResult",
    "MixtureConfig",
    "PlanResult",
    "RlhfConfig",
    "RowChanges",
    "StagesResult",
    "SweepConfig",
    "SweepResult",
    "TrainConfig",
    "TrainResult",
    "branch_run",
    "export_run",
    "learning_curve",
    "nearest_rows",
    "plan_run",
    "report_run",
    "rlhf",
    "run_stages",
    "sketch_rows",
    "sweep_runs",
    "train",
    "verify_run",
]

if TYPE_CHECKING:
    from train.api import (
        branch_run,
        export_run,
        learning_curve,
        nearest_rows,
        plan_run,
        report_run,
        rlhf,
        run_stages,
        sketch_rows,
        sweep_runs,
        train,
        verify_run,
    )
    from train.config import MixtureConfig, SweepConfig, TrainConfig
    from train.curve import CurveResult
    from train.data.changes import RowChanges
    from train.policy.config import RlhfConfig
    from train.preflight.result import PlanResult
    from train.results import ExportResult, TrainResult
    from train.search import SweepResult
    from train.stages.result import StagesResult
else:
    from loopwright.library import lazy_names

    __getattr__ = lazy_names(
        __name__,
        {
            "CurveResult": "train.curve",
            "ExportResult": "train.results",
            "MixtureConfig": "train.config",
            "PlanResult": "train.preflight.result",
            "RlhfConfig": "train.policy.config",
            "RowChanges": "train.data.changes",
            "StagesResult": "train.stages.result",
            "SweepConfig": "train.config",
            "SweepResult": "train.search",
            "TrainConfig": "train.config",
            "TrainResult": "train.results",
            "branch_run": "train.api",
            "export_run": "train.api",
            "learning_curve": "train.api",
            "nearest_rows": "train.api",
            "plan_run": "train.api",
            "report_run": "train.api",
            "rlhf": "train.api",
            "run_stages": "train.api",
            "sketch_rows": "train.api",
            "sweep_runs": "train.api",
            "train": "train.api",
            "verify_run": "train.api",
        },
    )
