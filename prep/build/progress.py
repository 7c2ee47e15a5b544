"""How far a long piece of work is: rows, rows a second, and the time that is left, for people at a terminal."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from loopwright.console import console
from loopwright.progress import ProgressCallback

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_PATIENCE_SECONDS = 2.0


class BuildProgress:
    """A line on stderr that appears once the work has taken two seconds; nothing where stderr is no terminal.

    Args:
        callback: called, in place of a line, with each step and its rows.

    Attributes:
        num_done: rows of the current step that are done.
    """

    def __init__(self, callback: ProgressCallback | None = None) -> None:
        self._callback = callback
        self._started = time.perf_counter()
        self._shown: RichProgress | None = None
        self._task: TaskID | None = None
        self.start("", None)

    def start(self, step: str, num_total: int | None) -> None:
        """Begins a step of the work.

        Args:
            step: what is done, such as `reading`.
            num_total: the rows that it will take; None where nobody knows yet.
        """
        self._step, self._num_total, self.num_done = step, num_total, 0
        self._step_started = time.perf_counter()
        self._call()

    def expect(self, num_total: int) -> None:
        """Corrects how many rows the step is thought to take."""
        self._num_total = num_total

    def advance(self, num_rows: int) -> None:
        """Notes that so many more rows are done."""
        self.num_done += num_rows
        self._call()
        if self._shown is None and time.perf_counter() - self._started > _PATIENCE_SECONDS and console().is_terminal:
            self._show()
        if self._shown is not None and self._task is not None:
            self._shown.update(self._task, completed=self.num_done, total=self._num_total, said=self.said())

    def said(self) -> str:
        """Returns the step's rows, rows a second and, where the total is known, the time that is left."""
        rate = self.num_done / max(time.perf_counter() - self._step_started, 1e-9)
        said = f"{self._step}: {self.num_done:,} rows, {rate:,.0f} rows/s"
        if self._num_total is None or not rate:
            return said
        minutes, seconds = divmod(round(max(self._num_total - self.num_done, 0) / rate), 60)
        return f"{said}, {minutes}:{seconds:02} left"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Removes the line."""
        if self._shown is not None:
            self._shown.stop()

    def _call(self) -> None:
        if self._callback is not None and self._step:
            self._callback(self._step, self.num_done, self._num_total)

    def _show(self) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        # Not Rich's own columns of speed and time: they begin anew each time that the total is corrected.
        self._shown = RichProgress(BarColumn(), TextColumn("{task.fields[said]}"), console=console(), transient=True)
        self._task = self._shown.add_task("", total=self._num_total, said="")
        self._shown.start()
