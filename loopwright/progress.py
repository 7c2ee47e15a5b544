"""How work says how far it is, whoever shows it."""

from collections.abc import Callable
from typing import Protocol

ProgressCallback = Callable[[str, int, int | None], None]
"""Called with the step of the work, how much of it is done, and out of how much; None where nobody knows that yet."""

ProgressOption = bool | ProgressCallback
"""What a library call takes: false shows nothing, true shows on stderr what the commands show, a function is called."""

Advance = Callable[[int], None]
"""Called with the number of examples that a system has just finished."""


class Progress(Protocol):
    """Told what is going on, for a progress bar."""

    def start(self, system: str, num_examples: int) -> Advance:
        """Says that a system begins, and returns what is to be called with the number of examples just done."""


class CallbackProgress:
    """Tells a function how each system gets on; without one, nobody.

    Args:
        callback: the function.
    """

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback

    def start(self, system: str, num_examples: int) -> Advance:
        """Says that a system begins, and returns what counts its examples."""
        callback, num_done = self._callback, 0
        if callback is None:
            return lambda _done: None

        def advance(done: int) -> None:
            nonlocal num_done
            num_done += done
            callback(system, num_done, num_examples)

        callback(system, 0, num_examples)
        return advance
