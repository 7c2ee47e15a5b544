"""What `loopwright doctor` says of the machine: its cores, memory and graphics card, what is fetched and what is cached."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from loopwright.checks import Check, Row, State
from loopwright.models import KNOWN_MODELS, cache_dir, is_ready, model_dir

_LITTLE_DISK = 5 << 30  # a training run of a small model with its checkpoints


def check_machine() -> list[Row]:
    """Returns the cores, the memory and the graphics cards, without an import of torch; the models that are fetched, and the caches."""
    return [one.as_row() for one in (*_hardware(), *_models(), _cache(cache_dir()), *_hub_cache())]


def _hardware() -> list[Check]:
    memory = memory_bytes()
    size = f", {memory / (1 << 30):.0f} GiB of memory" if memory else ""
    machine = Check("machine", State.OK, f"{os.cpu_count()} cores{size}, {platform.system()} {platform.machine()}")
    cards = graphics_cards()
    if cards:
        return [machine, Check("graphics card", State.OK, "; ".join(cards))]
    remedy = "Nothing is to be done for data; train models above a few hundred million weights on a machine with one."
    return [machine, Check("graphics card", State.MISSING, "no NVIDIA card is seen: training runs on the CPU", remedy)]


def _models() -> list[Check]:
    return [
        Check(f"model {name}", State.OK, f"fetched, in {model_dir(name)}")
        if is_ready(model_dir(name))
        else Check(f"model {name}", State.MISSING, f"not fetched: {model.description}", f"Run: train models fetch {name}")
        for name, model in KNOWN_MODELS.items()
    ]


def _hub_cache() -> list[Check]:
    """Returns the models that the hub's own client keeps, where there are any."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    folder = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    names = sorted(path.name.removeprefix("models--").replace("--", "/", 1) for path in folder.glob("models--*"))
    return [Check("models of the hub", State.OK, f"{', '.join(names)}, in {folder}")] if names else []


def graphics_cards() -> list[str]:
    """Returns name and memory of each NVIDIA card that its driver sees; none where there is no driver or it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 (found on the path)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def memory_bytes() -> int:
    """Returns the machine's memory; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _cache(folder: Path) -> Check:
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        return Check("cache", State.FAILED, f"{folder} cannot be written", "Name another folder in the variable LOOPWRIGHT_CACHE.")
    free = shutil.disk_usage(place).free
    parts = [f"{_size(folder / part)} of {what}" for part, what in (("models", "models"), ("lint", "reports of lint"))]
    detail = f"{folder} holds {' and '.join(parts)}; {_gib(free)} are free"
    if free < _LITTLE_DISK:
        return Check("cache", State.FAILED, detail, "Free some space, or name another folder in the variable LOOPWRIGHT_CACHE.")
    return Check("cache", State.OK, detail)


def _size(folder: Path) -> str:
    return _gib(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))


def _gib(number: int) -> str:
    return f"{number / (1 << 30):.1f} GiB" if number >= 1 << 30 else f"{number / (1 << 20):.0f} MiB"
