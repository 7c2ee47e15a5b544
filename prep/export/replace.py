"""What an export may replace: an older export, and nothing else."""

import re
from pathlib import Path

from loopwright.errors import UserError

# All that the targets write. A folder with anything else in it is somebody's own.
_WRITTEN = re.compile(r"(train|validation|test)\.jsonl|README\.md|dataset_info\.json|axolotl\.yaml|data|data/\w+-\d{5}\.parquet")


def require_own_export(out: Path) -> None:
    """Makes sure that writing to `out` replaces no more than an older export: the whole folder is exchanged.

    Raises:
        UserError: something else is there.
    """
    if out.is_dir():
        strangers = (path.relative_to(out).as_posix() for path in sorted(out.rglob("*")))
        stranger = next((name for name in strangers if not _WRITTEN.fullmatch(name)), None)
        cause = None if stranger is None else f"the folder has something in it that no export wrote: {stranger}"
    else:
        cause = "this is a file, not a folder" if out.exists() else None
    if cause is not None:
        raise UserError(cause, str(out), "Name another folder with --out, or empty this one.")
