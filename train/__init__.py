"""Model loading, the training loop, objectives, the training ledger."""

from typing import TYPE_CHECKING

from loopwright.siblings import require_siblings

require_siblings("templates", "prep")

__all__ = ["TrainConfig", "TrainResult", "train", "verify"]

if TYPE_CHECKING:
    from train.api import TrainResult, train, verify
    from train.config import TrainConfig
else:
    from loopwright.library import lazy_names

    __getattr__ = lazy_names(
        __name__,
        {
            "TrainConfig": "train.config",
            "TrainResult": "train.api",
            "train": "train.api",
            "verify": "train.api",
        },
    )
