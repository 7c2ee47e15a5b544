"""Ctrl-C in the middle of a run: the step is finished and a checkpoint written before it ends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from loopwright.console import notice


class Interrupts:
    """Says whether Ctrl-C was pressed."""

    def __init__(self) -> None:
        self.pressed = False

    def note(self, _signal: int, _frame: FrameType | None) -> None:
        """Remembers it the first time, and ends at once the second."""
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        notice("Interrupted: the step is being finished and a checkpoint written. Press Ctrl-C again to stop at once, without one.")


@contextmanager
def watching_for_interrupts() -> Iterator[Interrupts]:
    """Has Ctrl-C remembered within the block instead of ending the work wherever it is, between two of an optimiser's updates, say.

    Outside of the main thread, and where a caller handles the signal in its own way, nothing is changed.
    """
    interrupts = Interrupts()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupts
        return
    signal.signal(signal.SIGINT, interrupts.note)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
