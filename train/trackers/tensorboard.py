"""TensorBoard's event files, which its viewer reads from the run's folder."""

from collections.abc import Mapping

from typing_extensions import override

from train.trackers.base import Status, TrackedRun, Tracker


class TensorBoard(Tracker):
    """Event files in `RUN/tracking/tensorboard`; `tensorboard --logdir` of a folder of runs shows them side by side.

    Written by tensorboardX, which needs no TensorFlow; the viewer itself is `pip install tensorboard`. Nothing is sent anywhere. A resumed
    run goes on in the same folder, and hides what it had written of the steps that it does again.
    """

    name = "tensorboard"
    module = "tensorboardX"

    @override
    def begin(self, run: TrackedRun) -> None:
        from tensorboardX import SummaryWriter

        self._options = {name: value if isinstance(value, bool | int | float | str) else str(value) for name, value in run.options.items()}
        self._writer = SummaryWriter(str(run.folder), purge_step=run.num_steps + 1)
        table = ["| option | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in self._options.items())]
        self._writer.add_text("options", "\n".join(table), run.num_steps)

    @override
    def log(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self._writer.add_scalar(key, value, step)

    @override
    def flush(self) -> None:
        self._writer.flush()

    @override
    def end(self, status: Status, outcome: Mapping[str, float]) -> None:
        self._writer.add_text("status", status.value)
        if outcome:
            self._writer.add_hparams(self._options, {f"outcome/{key}": value for key, value in outcome.items()}, name="outcome")
        self._writer.close()
