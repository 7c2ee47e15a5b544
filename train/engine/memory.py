"""Memory: how much a run took, and what tells that there was not enough."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from loopwright.errors import UserError

if TYPE_CHECKING:
    from train.data.examples import TrainingExample

# What torch raises on a CPU is a plain RuntimeError, told by its words.
_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "bad_alloc")


class OutOfMemory(Exception):
    """A micro-batch did not fit.

    Attributes:
        group: its examples.
    """

    def __init__(self, group: "list[TrainingExample]") -> None:
        super().__init__("out of memory")
        self.group = group


@contextmanager
def memory_for(group: "list[TrainingExample]") -> Iterator[None]:
    """Turns what torch raises within the block, where memory runs out, into `OutOfMemory`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        is_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in str(error).lower() for word in _WORDS)
        if not is_memory:
            raise
    else:
        return
    # Outside of the handler: the error's frames hold the very tensors that took the memory.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise OutOfMemory(group)


def does_not_fit(example: "TrainingExample") -> UserError:
    """Returns what to say of one example that alone is too much."""
    cause = f"memory runs out on row {example.row_id} alone, which has {example.num_tokens} tokens"
    return UserError(cause, example.location, "Lower max_length, or take a smaller model; close what else takes memory.")


def peak_memory_bytes() -> int:
    """Returns the most memory that this process has taken: of the GPU where there is one, else of the machine."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
