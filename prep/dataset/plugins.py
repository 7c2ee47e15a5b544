"""The plug-ins that count for a dataset: those of the config that it was built from. A dataset itself never brings code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.plugin_config import plugins_of
from loopwright.plugins import PluginFile, plugins_are_chosen, use_plugins
from prep.dataset.manifest import MANIFEST_NAME, Dataset, Manifest
from prep.dataset.own_config import config_beside, why_not_of


@contextmanager
def dataset_plugins(dataset_path: Path, config_path: Path | None = None) -> Iterator[None]:
    """Lets registries find, within the block, the plug-ins of the config of a dataset.

    That is the config that is named; else the one that is in use already; else the one that lies beside the dataset, or in the working
    folder, under its recorded name and is of this dataset's name. One within the dataset's folder does not count: who unpacks a stranger's
    dataset runs none of his code. A notice says so where plug-ins were recorded and are not loaded.

    Args:
        dataset_path: a built dataset; a file, or a folder that is none, has no config of its own.
        config_path: the config that the user names.

    Raises:
        UserError: the config cannot be read, or names a file that may not be used.
    """
    if config_path is None and plugins_are_chosen():
        yield
        return
    with use_plugins(plugins_of(config_path) if config_path is not None else _plugins_beside(dataset_path)):
        yield


def require_own_config(config_path: Path, dataset_path: Path) -> None:
    """Makes sure that a config which nobody named may be used: one within the dataset's folder came with it, and must not name code.

    Raises:
        UserError: it names plug-ins.
    """
    if config_path.resolve().is_relative_to(dataset_path.resolve()) and plugins_of(config_path):
        raise UserError(
            "the config within the dataset's folder names plug-ins, which would be run",
            str(config_path),
            "Read them; then name the config with --config.",
        )


def _plugins_beside(dataset_path: Path) -> tuple[PluginFile, ...]:
    try:
        if not (dataset_path / MANIFEST_NAME).is_file():
            return ()
        manifest = Dataset.open(dataset_path).manifest
    except (UserError, OSError):
        return ()  # whoever reads the dataset says so
    found = config_beside(dataset_path, manifest.config_path)
    missing = why_not_of(found, manifest) if found is not None else f"'{manifest.config_path}' is not beside it"
    if missing is None:
        return plugins_of(found)
    if recorded := _recorded(manifest):
        notice(f"{dataset_path} was built with plug-ins that are not loaded ({recorded}): {missing}. Name the config with --config.")
    return ()


def _recorded(manifest: Manifest) -> str:
    """Returns the plug-ins that a manifest names, as words alone: nothing is looked for under them."""
    named = manifest.config.get("plugins")
    kinds = named.values() if isinstance(named, dict) else ()
    return ", ".join(str(path) for paths in kinds if isinstance(paths, list) for path in paths)
