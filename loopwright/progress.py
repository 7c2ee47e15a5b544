"""How work says how far it is, whoever shows it."""

from collections.abc import Callable
from typing import Protocol

Advance = Callable[[int], None]
"""Called with the number of examples that a system has just finished."""


class Progress(Protocol):
    """Told what is going on, for a progress bar."""

    def start(self, system: str, num_examples: int) -> Advance:
        """Says that a system begins, and returns what is to be called with the number of examples just done."""
