"""The progress bar of a training run, on stderr."""

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loopwright.console import console
from loopwright.progress import ProgressCallback

# Reading the loss makes the host wait for the device, so it is read this often and not every step.
_SECONDS_BETWEEN_LOOKS = 0.5
# Into a file or a CI log no bar can be drawn: a line goes there, this often.
_SECONDS_BETWEEN_LINES = 15.0


class TrainingBar:
    """Shows steps, loss, tokens a second and the time left.

    Args:
        num_steps: steps of the whole run.
        num_done: steps done before this process began.
        callback: called after each step.
    """

    def __init__(self, num_steps: int, num_done: int, callback: ProgressCallback | None = None) -> None:
        columns = (
            TextColumn("training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}  {task.fields[speed]} tokens/s"),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
        )
        self._progress = Progress(*columns, console=console(), refresh_per_second=4)
        self._task = self._progress.add_task("training", total=num_steps, completed=num_done, loss="...", speed="...")
        self._num_steps, self._num_done = num_steps, num_done
        self._callback = callback
        self._last_look = 0.0
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def is_due(self) -> bool:
        """Says whether it is time to look at the loss again."""
        return time.monotonic() - self._last_look >= _SECONDS_BETWEEN_LOOKS

    def advance(self) -> None:
        """Counts one step."""
        self._progress.advance(self._task)
        self._num_done += 1
        if self._callback is not None:
            self._callback("training", self._num_done, self._num_steps)

    def show(self, loss: float, tokens_per_second: float) -> None:
        """Shows a step's loss and the speed so far."""
        self._last_look = time.monotonic()
        self._progress.update(self._task, loss=f"{loss:.4f}", speed=f"{tokens_per_second:,.0f}")
        if not self._progress.console.is_terminal and self._last_look - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = self._last_look
            task = self._progress.tasks[0]
            left = "" if task.time_remaining is None else f", {task.time_remaining:.0f} s left"
            self.note(f"step {task.completed:.0f} of {self._num_steps}, loss {loss:.4f}, {tokens_per_second:,.0f} tokens/s{left}")

    def note(self, text: str) -> None:
        """Prints a line above the bar."""
        self._progress.console.print(text, markup=False)
