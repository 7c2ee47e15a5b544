"""The processes of one run, as `torchrun` starts them: which one this is, and what they add up and tell each other."""

import atexit
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from loopwright.console import silenced
from loopwright.errors import UserError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

# Numbers that are added up at once: what is laid out for it takes 64 MB.
_BUCKET = 1 << 24
# One process may write answers for long while the others wait. That another has ended is told by its connection, not by time.
_PATIENCE = timedelta(days=2)
_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True)
class World:
    """The processes of one run. Alone, everything is as it was given.

    Attributes:
        rank: this process, from 0.
        size: how many there are.
        local_rank: this process among those on its machine.
        local_size: how many are on its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @classmethod
    def of_environment(cls) -> "World":
        """Returns what `torchrun` says of this process; alone where nothing does."""
        if not all(os.environ.get(name) for name in _VARIABLES):
            return cls()
        rank, size, local_rank, local_size = (int(os.environ[name]) for name in _VARIABLES[:4])
        return cls(rank, size, local_rank, local_size) if size > 1 else cls()

    @property
    def is_first(self) -> bool:
        """Says whether this process writes the run's files and speaks for all."""
        return self.rank == 0

    def join(self) -> None:
        """Waits for all processes, the first time until they have found each other: by NCCL where there are GPUs, else by gloo.

        Raises:
            UserError: the machine has fewer GPUs than processes, or they do not find each other.
        """
        if self.size == 1:
            return
        import torch
        from torch import distributed

        if not distributed.is_initialized():
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            if torch.cuda.is_available():
                if self.local_size > torch.cuda.device_count():
                    cause = f"there are {self.local_size} processes on this machine, and {torch.cuda.device_count()} GPUs"
                    raise UserError(cause, "torchrun --nproc-per-node", "Start one process for each GPU.")
                torch.cuda.set_device(self.local_rank)
            _told(lambda: distributed.init_process_group(backend, timeout=_PATIENCE))
            atexit.register(_leave)
        _told(distributed.barrier)

    def share(self, items: Sequence[T], size_of: Callable[[T], int]) -> list[T]:
        """Returns this process's part, in the order given: each item goes to who has the least so far, the largest first."""
        if self.size == 1:
            return list(items)
        loads = [0] * self.size
        mine = []
        for place in sorted(range(len(items)), key=lambda place: (-size_of(items[place]), place)):
            rank = loads.index(min(loads))
            loads[rank] += size_of(items[place])
            if rank == self.rank:
                mine.append(place)
        return [items[place] for place in sorted(mine)]

    def add_up(self, tensors: Iterable["torch.Tensor"]) -> None:
        """Puts into each tensor its sum over all processes, float32.

        Raises:
            UserError: another process has ended.
        """
        if self.size == 1:
            return
        import torch
        from torch import distributed

        with torch.no_grad():
            for bucket in _buckets(tensors):
                flat = torch.cat([one.reshape(-1).float() for one in bucket])
                _told(lambda flat=flat: distributed.all_reduce(flat))  # type: ignore[misc]
                for one, summed in zip(bucket, torch.split(flat, [one.numel() for one in bucket]), strict=True):
                    one.copy_(summed.view(one.shape))

    def add_up_gradients(self, parameters: Sequence["torch.nn.Parameter"]) -> None:
        """Gives each parameter the sum of its gradients; one that has none in any process keeps none."""
        if self.size == 1:
            return
        import torch

        device = parameters[0].device
        present = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.float32, device=device)
        self.add_up([present])
        found = [parameter for parameter, times in zip(parameters, present.tolist(), strict=True) if times]
        for parameter in found:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.add_up([parameter.grad for parameter in found if parameter.grad is not None])

    def any(self, *, here: bool, device: "torch.device") -> bool:
        """Says whether something is so in any process."""
        return here if self.size == 1 else self.largest(int(here), device) > 0

    def largest(self, value: int, device: "torch.device") -> int:
        """Returns the largest of what the processes give."""
        if self.size == 1:
            return value
        import torch
        from torch import distributed

        found = torch.tensor(value, dtype=torch.int64, device=device)
        _told(lambda: distributed.all_reduce(found, distributed.ReduceOp.MAX))
        return int(found)

    def gather(self, value: T) -> list[T]:
        """Returns, in the first process, what all give in their order; in the others their own alone."""
        if self.size == 1:
            return [value]
        from torch import distributed

        found: list[T | None] | None = [None] * self.size if self.is_first else None
        _told(lambda: distributed.gather_object(value, found))
        return [value] if found is None else [one for one in found if one is not None]

    def from_first(self, make: Callable[[], T]) -> T:
        """Has the first process make something, and returns it in all."""
        if self.size == 1:
            return make()
        from torch import distributed

        held = [make() if self.is_first else None]
        _told(lambda: distributed.broadcast_object_list(held))
        return held[0]  # type: ignore[return-value]


ALONE = World()
"""The world of what one process does for itself."""


def require_alone(what: str) -> None:
    """Refuses to do in several processes what is done in one.

    Args:
        what: the command.

    Raises:
        UserError: `torchrun` started several.
    """
    world = World.of_environment()
    if world.size > 1:
        raise UserError(f"'{what}' works in one process, and there are {world.size}", "torchrun", "Start it without torchrun.")


def without_world(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment for a process that works alone."""
    return {name: value for name, value in environment.items() if name not in _VARIABLES}


@contextmanager
def first_speaks() -> Iterator[bool]:
    """Within the block, nothing is shown by any process but the first; yields whether this is the first."""
    world = World.of_environment()
    if world.is_first:
        yield True
        return
    with silenced():
        yield False


def _buckets(tensors: Iterable["torch.Tensor"]) -> Iterator[list["torch.Tensor"]]:
    """Divides tensors, in their order, into groups that are added up at once."""
    bucket: list[torch.Tensor] = []
    total = 0
    for one in tensors:
        if bucket and total + one.numel() > _BUCKET:
            yield bucket
            bucket, total = [], 0
        bucket.append(one)
        total += one.numel()
    if bucket:
        yield bucket


def _told(work: Callable[[], object]) -> None:
    """Does what needs all processes.

    Raises:
        UserError: another has ended, whose own error says why.
    """
    try:
        work()
    except RuntimeError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        remedy = "Its own error says why. The same command with --resume goes on from the last checkpoint."
        raise UserError(f"another process of the run has ended, or cannot be reached: {reason}", "torchrun", remedy) from error


def _leave() -> None:
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()
