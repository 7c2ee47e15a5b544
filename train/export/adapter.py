"""A run's adapter as a folder for peft and for servers that take adapters, with the base beside it where that is asked for."""

import json
import shutil
from pathlib import Path

from loopwright.errors import UserError
from loopwright.files import read_json, write_atomic
from templates.chat import load_tokenizer
from train.export.source import Source
from train.runs.exported import BASE_NAME
from train.runs.tokenizer_files import save_tokenizer

_CONFIG_NAME = "adapter_config.json"
_BASE_PATTERNS = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
"""What of a base's folder is a part of the model."""


def require_adapter(source: Source) -> None:
    """Makes sure that a run trained an adapter.

    Raises:
        UserError: it trained the model's own weights.
    """
    if _CONFIG_NAME not in source.method.file_names:
        cause = f"a run by the method '{source.record.method}' has no adapter: it trained {source.method.what} of the model itself"
        raise UserError(cause, str(source.weights), "Export the whole model: --to merged")


def write_adapter(source: Source, folder: Path, *, with_base: bool) -> list[str]:
    """Writes the adapter's files, of which the config names the base in a way that holds on any machine, or not at all.

    Args:
        source: the run.
        folder: an empty folder.
        with_base: copy the base into the folder `base`, and name that.

    Returns:
        What whoever uses the adapter has to know.

    Raises:
        UserError: a file cannot be read or written.
    """
    for name in source.method.file_names:
        shutil.copyfile(source.weights / name, folder / name)
    config = read_json(folder / _CONFIG_NAME)
    config["base_model_name_or_path"], config["revision"] = (BASE_NAME, None) if with_base else source.hub_base or (None, None)
    write_atomic(folder / _CONFIG_NAME, json.dumps(config, indent=2, sort_keys=True) + "\n")
    save_tokenizer(load_tokenizer(source.model), folder)
    if with_base:
        _copy_base(source, folder / BASE_NAME)
    return _notes(source, config, with_base=with_base)


def _copy_base(source: Source, folder: Path) -> None:
    """Copies the model's files; through links, which the hub's cache is made of."""
    folder.mkdir()
    for pattern in _BASE_PATTERNS:
        for path in sorted(source.base.glob(pattern)):
            if path.is_file():
                shutil.copyfile(path, folder / path.name)


def _notes(source: Source, config: dict[str, object], *, with_base: bool) -> list[str]:
    notes = []
    if not with_base and source.hub_base is None:
        notes.append(
            f"{_CONFIG_NAME} names no base: the base's weights are not known to be those of a repository of the model hub. "
            f"Load the adapter onto the model whose weights have the sha256 {source.record.model_sha256}."
        )
    if source.is_quantized:
        notes.append(
            "The run was trained on the base in 4 bits (nf4, double quantisation): on the whole base it answers a little otherwise."
        )
    unserved = [name for name, is_used in (("DoRA", config.get("use_dora")), ("modules_to_save", config.get("modules_to_save"))) if is_used]
    if unserved:
        notes.append(f"peft loads the adapter; vLLM takes no adapter with {' or '.join(unserved)}. For a server, export with --to merged.")
    return notes
