"""Datasets of the Hugging Face kind: folders that `datasets` saved, and names on the hub."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

from loopwright.errors import UserError, missing_extra

HUB = "hf://"
_NAME = re.compile(r"hf://(?P<name>[\w.-]+/[\w.-]+)(?:/(?P<config>[\w.-]+))?(?::(?P<split>\w+))?")


def saved_files(folder: Path) -> list[Path]:
    """Returns the files of a folder that `save_to_disk` wrote, in the order of their rows; none where it is no such folder.

    Raises:
        UserError: it is such a folder, and what lists its files cannot be read.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = _read_json(folder / "dataset_dict.json").get("splits", [])
        return [file for split in splits for file in saved_files(folder / str(split))]
    if not (folder / "state.json").is_file():
        return []
    state = _read_json(folder / "state.json")
    if state.get("_indices_data_files"):
        raise UserError(
            "the saved dataset is a selection of rows that is not yet applied", str(folder), "Save it again after 'flatten_indices()'."
        )
    return [folder / str(entry["filename"]) for entry in state.get("_data_files", [])]


def hub_files(address: str, where: str) -> list[Path]:
    """Downloads a dataset of the hub and returns the files that `datasets` keeps of it, in the order of their rows.

    Args:
        address: `hf://owner/name[/config][:split]`; all splits without one.
        where: the address's place in the config, for messages.

    Raises:
        UserError: the address is none, `datasets` is not installed, or the dataset cannot be had.
    """
    match = _NAME.fullmatch(address)
    if match is None:
        raise UserError(
            f"'{address}' names no dataset", where, "Write hf://owner/name, hf://owner/name:split or hf://owner/name/config:split."
        )
    try:
        # By name, not by a statement: `datasets` takes a second to import, and the base install does without it.
        datasets: Any = importlib.import_module("datasets")
    except ImportError as error:
        raise missing_extra(f"'{address}'", "train") from error
    try:
        loaded = datasets.load_dataset(match["name"], match["config"], split=match["split"])
    except Exception as error:  # whatever the hub client raises: no network, no such name, no access
        cause = f"cannot load '{address}': {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
        raise UserError(cause, where, "Check the name and the network, or download the dataset and name its folder.") from error
    parts = [loaded] if match["split"] else loaded.values()
    return [Path(entry["filename"]) for part in parts for entry in part.cache_files]


def class_names(features: Any) -> dict[str, list[str]]:
    """Returns the names of the classes of each column that holds them by number, from a dataset's described features."""
    if not isinstance(features, dict):
        return {}
    found = {name: feature.get("names") for name, feature in features.items() if isinstance(feature, dict)}
    return {name: [str(one) for one in names] for name, names in found.items() if isinstance(names, list) and names}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"not a readable description of a dataset: {error}", str(path), "Save the dataset again.") from error
    return value if isinstance(value, dict) else {}
