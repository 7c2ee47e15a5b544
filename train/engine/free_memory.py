"""How much memory this process has taken, and how much it could have. Torch is imported where it is asked for alone."""

from pathlib import Path

from loopwright.machine import memory_bytes

_CGROUP = Path("/sys/fs/cgroup")


def used_bytes() -> int:
    """Returns the memory that is taken now: of the GPU where there is one, else of this process; 0 where the system does not say."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.memory_allocated()
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    import resource

    return pages * resource.getpagesize()


def available_bytes() -> int:
    """Returns the memory that this process has or could have: of the GPU where there is one; 0 where the system does not say."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()
    found = [free + used_bytes() for free in (_free_of_machine(), _free_of_container()) if free is not None]
    return min(found, default=memory_bytes())


def _free_of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration, IndexError):
        return None


def _free_of_container() -> int | None:
    """Returns what is left of the limit that a container sets; None where it sets none."""
    try:
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))  # 'max' where there is none
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        statistics = dict(line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines())
        return limit - used + int(statistics.get("inactive_file", 0))  # pages of files go where memory is wanted
    except (OSError, ValueError):
        return None
