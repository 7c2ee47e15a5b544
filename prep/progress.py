"""How far a long piece of work is: rows, rows a second, and the time that is left, for people at a terminal."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from loopwright.console import console

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_PATIENCE_SECONDS = 2.0


class Progress:
    """A line on stderr that appears once the work has taken two seconds; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._shown: RichProgress | None = None
        self._task: TaskID | None = None
        self._step = ""
        self._num_total: int | None = None
        self.num_done = 0  # rows of this step

    def start(self, step: str, num_total: int | None) -> None:
        """Begins a step of the work.

        Args:
            step: what is done, such as `reading`.
            num_total: the rows that it will take; None where nobody knows yet.
        """
        self._step, self._num_total, self.num_done = step, num_total, 0
        if self._shown is not None and self._task is not None:
            self._shown.reset(self._task, description=step, total=num_total, completed=0)

    def advance(self, num_rows: int) -> None:
        """Notes that so many more rows are done."""
        self.num_done += num_rows
        if self._shown is None and time.perf_counter() - self._started > _PATIENCE_SECONDS and console().is_terminal:
            self._show()
        if self._shown is not None and self._task is not None:
            self._shown.update(self._task, completed=self.num_done)

    def expect(self, num_total: int) -> None:
        """Corrects how many rows the step is thought to take."""
        self._num_total = num_total
        if self._shown is not None and self._task is not None:
            self._shown.update(self._task, total=num_total)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Removes the line."""
        if self._shown is not None:
            self._shown.stop()

    def _show(self) -> None:
        from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class RowsPerSecond(ProgressColumn):
            def render(self, task: object) -> Text:
                return Text(f"{getattr(task, 'speed', None) or 0:,.0f} rows/s")

        num_rows = TextColumn("{task.completed:,.0f} rows")
        columns = (TextColumn("{task.description}"), BarColumn(), num_rows, RowsPerSecond(), TimeRemainingColumn())
        self._shown = RichProgress(*columns, console=console(), transient=True)
        self._task = self._shown.add_task(self._step, total=self._num_total)
        self._shown.start()
