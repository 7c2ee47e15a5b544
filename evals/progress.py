"""A progress bar for people, on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from loopwright.console import console
from loopwright.progress import Advance, CallbackProgress, Progress, ProgressCallback, ProgressOption


class ProgressBar:
    """One line a system: how many examples are answered, and the time left."""

    def __init__(self) -> None:
        text = TextColumn("{task.description}", markup=False)
        self._progress = RichProgress(text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console(), transient=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def start(self, system: str, num_examples: int) -> Advance:
        """Adds a line for a system and returns what moves it."""
        task = self._progress.add_task(system, total=num_examples)
        return lambda done: self._progress.advance(task, done)


@contextmanager
def progress_for(progress: ProgressOption, callback: ProgressCallback | None) -> Iterator[Progress]:
    """Yields what is told how the systems get on: a bar on stderr, the caller's function, or nobody.

    Args:
        progress: what the caller of a library call asked for.
        callback: its function, if it is one.
    """
    if progress is True:
        with ProgressBar() as bar:
            yield bar
    else:
        yield CallbackProgress(callback)
