"""Model loading, the training loop, objectives, the training ledger."""

from typing import TYPE_CHECKING

from loopwright.siblings import require_siblings

require_siblings("templates", "prep")

__all__ = [
    "CurveResult",
    "ExportResult",
    "RowChanges",
    "SweepConfig",
    "SweepResult",
    "TrainConfig",
    "TrainResult",
    "branch_run",
    "export_run",
    "learning_curve",
    "nearest_rows",
    "report_run",
    "sketch_rows",
    "sweep_runs",
    "train",
    "verify_run",
]

if TYPE_CHECKING:
    from train.api import (
        ExportResult,
        TrainResult,
        branch_run,
        export_run,
        learning_curve,
        nearest_rows,
        report_run,
        sketch_rows,
        sweep_runs,
        train,
        verify_run,
    )
    from train.config import SweepConfig, TrainConfig
    from train.curve import CurveResult
    from train.data.changes import RowChanges
    from train.search import SweepResult
else:
    from loopwright.library import lazy_names

    __getattr__ = lazy_names(
        __name__,
        {
            "CurveResult": "train.curve",
            "ExportResult": "train.api",
            "RowChanges": "train.data.changes",
            "SweepConfig": "train.config",
            "SweepResult": "train.search",
            "TrainConfig": "train.config",
            "TrainResult": "train.api",
            "branch_run": "train.api",
            "export_run": "train.api",
            "learning_curve": "train.api",
            "nearest_rows": "train.api",
            "sketch_rows": "train.api",
            "report_run": "train.api",
            "sweep_runs": "train.api",
            "train": "train.api",
            "verify_run": "train.api",
        },
    )
