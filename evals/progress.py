"""A progress bar for people, on stderr."""

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loopwright.console import console
from loopwright.progress import Advance


class ProgressBar:
    """One line a system: how many examples are answered, and the time left."""

    def __init__(self) -> None:
        text = TextColumn("{task.description}", markup=False)
        self._progress = Progress(text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console(), transient=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def start(self, system: str, num_examples: int) -> Advance:
        """Adds a line for a system and returns what moves it."""
        task = self._progress.add_task(system, total=num_examples)
        return lambda done: self._progress.advance(task, done)
