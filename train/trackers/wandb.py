"""Weights & Biases."""

import os
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from train.trackers.base import Status, TrackedRun, Tracker


class Wandb(Tracker):
    """A run of Weights & Biases: kept in `RUN/tracking/wandb` until `wandb sync` sends it, or sent at once where your settings say so.

    `WANDB_MODE` decides (`online`, `offline`, `disabled`); without it, a run is sent where `WANDB_API_KEY` is set, and else kept.
    `WANDB_PROJECT` and `WANDB_ENTITY` say where to. The code, what the console prints and the machine's load are not recorded. A resumed
    run goes on as the same one.
    """

    name = "wandb"
    module = "wandb"

    @override
    def begin(self, run: TrackedRun) -> str | None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read as it is imported
        import wandb

        run.folder.mkdir(parents=True, exist_ok=True)
        asked = "WANDB_MODE" in os.environ or "WANDB_API_KEY" in os.environ
        settings = wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
            x_save_requirements=False,
        )
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", run.project),
            name=run.name,
            id=run.tracked,
            resume=None if run.tracked is None else "allow",
            dir=run.folder,
            mode=None if asked else "offline",
            config={**run.options},
            allow_val_change=True,  # a resumed run may find its model elsewhere
            reinit="create_new",  # a run of the caller's own goes on
            settings=settings,
        )
        return str(self._run.id)

    @override
    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log({**values}, step=step)

    @override
    def end(self, status: Status, outcome: Mapping[str, float]) -> None:
        self._run.summary.update({"status": status.value, **outcome})
        self._run.finish(exit_code={Status.FINISHED: 0, Status.FAILED: 1, Status.KILLED: 255}[status])
