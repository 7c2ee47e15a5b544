"""What an export may replace: an older export, and nothing else."""

import re
from pathlib import Path

from loopwright.errors import UserError
from prep.export.profile import PROFILES

_ROWS = re.compile(r"\w+\.jsonl")
_SHARD = re.compile(r"\w+-\d{5}\.parquet")
_SHARDS = "data"


def require_own_export(out: Path) -> None:
    """Makes sure that writing to `out` replaces no more than an older export, of whatever target: the whole folder is exchanged.

    Raises:
        UserError: something else is there.
    """
    cause = None
    if out.is_dir():
        stranger = _stranger(out)
        cause = None if stranger is None else f"the folder has something in it that no export wrote: {stranger}"
    elif out.exists():
        cause = "this is a file, not a folder"
    if cause is not None:
        raise UserError(cause, str(out), "Name another folder with --out, or empty this one.")


def _stranger(folder: Path) -> str | None:
    """Returns the first name in a folder that no export writes."""
    beside = {name for profile in PROFILES.entries.values() for name in profile.beside}
    for path in sorted(folder.iterdir()):
        if path.name == _SHARDS and path.is_dir():
            inner = next((shard.name for shard in sorted(path.iterdir()) if not _SHARD.fullmatch(shard.name)), None)
            if inner is not None:
                return f"{_SHARDS}/{inner}"
        elif not path.is_file() or not (path.name in beside or _ROWS.fullmatch(path.name)):
            return path.name
    return None
