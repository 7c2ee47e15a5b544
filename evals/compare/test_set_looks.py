"""How often a test set has been looked at: each look lets a choice lean on it, and its numbers grow too good.

`looks.json` stands beside the output folder (in its parent), so that evaluations side by side share it. It counts by the test
examples' ids: a rebuilt dataset with the same test rows goes on counting.
"""

from pathlib import Path
from typing import Any

from loopwright.errors import UserError
from loopwright.files import read_json, write_json

_FILE_NAME = "looks.json"


def looks_path(out: Path) -> Path:
    """Returns the file that counts the looks of evaluations written to `out`."""
    return out.absolute().parent / _FILE_NAME


def num_looks(out: Path, split_key: str) -> int:
    """Returns how often a test set has been looked at.

    Raises:
        UserError: the file is damaged.
    """
    return int(_read(looks_path(out)).get(split_key, {}).get("looks", 0))


def add_look(out: Path, split_key: str, dataset_name: str) -> None:
    """Counts one more look at a test set.

    Raises:
        UserError: the file is damaged or cannot be written.
    """
    path = looks_path(out)
    counts = _read(path)
    counts[split_key] = {"dataset": dataset_name, "looks": num_looks(out, split_key) + 1}
    write_json(path, counts)


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    counts = read_json(path)
    if not isinstance(counts, dict) or not all(isinstance(entry, dict) for entry in counts.values()):
        raise UserError("the file does not count looks at test sets", str(path), "Move it away, or choose another folder for --out.")
    return counts
