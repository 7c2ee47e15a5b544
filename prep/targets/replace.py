"""What an export may replace: an older export, and nothing else."""

import re
from pathlib import Path

from prep.dataset.replaceable import Replaceable, check_replaceable
from prep.targets.profile import PROFILES

_ROWS = re.compile(r"\w+\.jsonl")
_SHARD = re.compile(r"\w+-\d{5}\.parquet")
_SHARDS = "data"


def require_own_export(out: Path) -> None:
    """Makes sure that writing to `out` replaces no more than an older export, of whatever target: the whole folder is exchanged.

    Raises:
        UserError: something else is there.
    """
    check_replaceable(out, _OLDER_EXPORT)


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


_REMEDY = "Name another folder with --out, or empty this one."
_OLDER_EXPORT = Replaceable(
    find_stranger=_stranger,
    file=("this is a file, not a folder", _REMEDY),
    stranger=("the folder has something in it that no export wrote: {stranger}", _REMEDY),
)
