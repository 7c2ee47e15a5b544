"""Trackio, a local tracker."""

import os
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from train.trackers.base import Status, TrackedRun, Tracker


class Trackio(Tracker):
    """Trackio's own database on this machine (`TRACKIO_DIR`); `trackio show` opens it.

    It is sent where `TRACKIO_SPACE_ID` or `TRACKIO_SERVER_URL` says so, else nowhere; `TRACKIO_PROJECT` names the project. A resumed run
    goes on as the same one; the steps that it does again stand there twice, with equal numbers. How it ended is the value `status` of the
    last step.
    """

    name = "trackio"
    module = "trackio"

    @override
    def begin(self, run: TrackedRun) -> str | None:
        import trackio

        self._step = run.num_steps
        self._run: Any = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", run.project),
            name=run.tracked or run.name,
            resume="never" if run.tracked is None else "allow",
            config={**run.options},
            embed=False,
            # Its monitors of the machine are threads that nobody asked for.
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        return str(self._run.name)

    @override
    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._step = step
        self._run.log({**values}, step=step)

    @override
    def end(self, status: Status, outcome: Mapping[str, float]) -> None:
        import trackio

        self._run.log({"status": status.value, **{f"outcome/{key}": value for key, value in outcome.items()}}, step=self._step)
        trackio.finish()
