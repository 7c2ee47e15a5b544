"""MLflow."""

import os
import time
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from train.trackers.base import Status, TrackedRun, Tracker

_MOST_METRICS, _MOST_OPTIONS = 1000, 100
"""What one call may hold."""


class MLflow(Tracker):
    """A run in MLflow's store: the one of `MLFLOW_TRACKING_URI`, else MLflow's default, in the folder where the command runs.

    `mlflow ui` in that folder shows it. The lean package of the extra has no database: without a store of yours it writes to `mlruns/`.
    `MLFLOW_EXPERIMENT_NAME` names the experiment. MLflow's telemetry stays off unless `MLFLOW_DISABLE_TELEMETRY` says otherwise. A resumed
    run goes on as the same one; where the store no longer has it, as a new one.
    """

    name = "mlflow"
    module = "mlflow"

    @override
    def begin(self, run: TrackedRun) -> str | None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read as it is imported
        from mlflow.entities import Param

        self._client = _client()
        self._waiting: list[tuple[str, float, int, int]] = []
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", run.project)
        if (known := self._known(run.tracked)) is not None:
            self._id = known
            return known
        self._id = self._fresh(experiment, run.name)
        options = [Param(name, str(value)) for name, value in run.options.items()]
        for start in range(0, len(options), _MOST_OPTIONS):
            self._client.log_batch(self._id, params=options[start : start + _MOST_OPTIONS])
        return self._id

    @override
    def log(self, step: int, values: Mapping[str, float]) -> None:
        now = time.time_ns() // 1_000_000
        self._waiting += [(key, value, now, step) for key, value in values.items()]

    @override
    def flush(self) -> None:
        from mlflow.entities import Metric

        while waiting := self._waiting[:_MOST_METRICS]:
            self._client.log_batch(self._id, metrics=[Metric(*one) for one in waiting])
            del self._waiting[: len(waiting)]

    @override
    def end(self, status: Status, outcome: Mapping[str, float]) -> None:
        self.flush()
        for key, value in outcome.items():
            self._client.log_metric(self._id, f"outcome/{key}", value)
        self._client.set_terminated(self._id, status.value.upper())

    def _known(self, tracked: str | None) -> str | None:
        """Returns a run that is gone on with, if the store still has it."""
        from mlflow.exceptions import MlflowException

        if tracked is None:
            return None
        try:
            self._client.update_run(tracked, status="RUNNING")
        except MlflowException:
            return None
        return tracked

    def _fresh(self, experiment: str, name: str) -> str:
        known = self._client.get_experiment_by_name(experiment)
        experiment_id = self._client.create_experiment(experiment) if known is None else known.experiment_id
        return str(self._client.create_run(experiment_id, run_name=name).info.run_id)


def _client() -> Any:
    """Returns a client of the store that MLflow chooses or, where that is a database that the lean package cannot open, of files."""
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        return mlflow.MlflowClient()
    except MlflowException:
        if "MLFLOW_TRACKING_URI" in os.environ or not mlflow.get_tracking_uri().startswith("sqlite:"):
            raise
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # it refuses files otherwise, and has nothing else
    return mlflow.MlflowClient(tracking_uri="mlruns")
