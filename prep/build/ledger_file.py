"""Where a config's fix ledger lies: one a config, `<the config's name>.fixes.jsonl`, unless the config names another.

Earlier versions had one a folder, `fixes.jsonl`. It is gone on with where one config alone can mean it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.config import parse_yaml, read_text
from loopwright.console import notice
from loopwright.errors import UserError
from prep.build.fix_ledger import KEEP, Fix
from prep.config import LocatedConfig, locate_config
from prep.dataset.manifest import Manifest
from prep.dataset.own_config import config_beside, why_not_of
from prep.sources.files import SourceFile

SHARED_NAME = "fixes.jsonl"
"""The ledger of a folder, as earlier versions had it; that of a config without a file, too."""
_OWN_SUFFIX = ".fixes.jsonl"
_CONFIG_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class LedgerFile:
    """A config's fix ledger.

    Attributes:
        path: the file, which need not exist.
        name: the same, relative to the config's folder.
        notice: what is to be said of its choice; None where it goes without saying.
    """

    path: Path
    name: str
    notice: str | None = None

    def without_ledgers(self, files: Iterable[SourceFile]) -> list[SourceFile]:
        """Returns the files of a config's sources but for fix ledgers: a source may be a whole folder, and they are no data."""
        ledgers = {self.path} if self.notice is None else {self.path, self.path.with_name(SHARED_NAME)}
        return [file for file in files if file.path not in ledgers and not _is_of_a_config(file.path)]


def own_ledger(config_path: Path) -> Path:
    """Returns the ledger that is a config's own where it names none."""
    return config_path.with_name(f"{config_path.stem}{_OWN_SUFFIX}")


def find_ledger(located: LocatedConfig) -> LedgerFile:
    """Returns a config's ledger.

    Raises:
        UserError: it names none, and several configs beside it could mean the one of their folder.
    """
    config_path = located.path
    if config_path is None or located.config.fixes is not None:
        name = located.config.fixes or SHARED_NAME
        return LedgerFile(located.base_dir / name, name)
    own, shared = own_ledger(config_path), config_path.with_name(SHARED_NAME)
    if not shared.exists():
        return LedgerFile(own, own.name)
    migrate = f"prep fix migrate {config_path}"
    if own.exists():
        return LedgerFile(
            own, own.name, f"{shared} is not read: the fix ledger of {config_path} is {own.name}. To move its entries: {migrate}"
        )
    if others := sharing_configs(config_path):
        names = ", ".join(other.name for other in others)
        raise UserError(
            f"'{SHARED_NAME}' may be the fix ledger of {config_path.name}, or of {names} beside it",
            str(shared),
            f"Move its entries into a ledger of its own: {migrate}. Or share it: write 'fixes: {SHARED_NAME}' in {config_path}.",
        )
    said = f"the fix ledger of {config_path} is {SHARED_NAME}, as in earlier versions. For one that is its own, {own.name}: {migrate}"
    return LedgerFile(shared, SHARED_NAME, said)


def announced_ledger(located: LocatedConfig) -> Path:
    """Returns the path of a config's ledger, and says on stderr what is to be said of its choice.

    Raises:
        UserError: as `find_ledger`.
    """
    ledger = find_ledger(located)
    if ledger.notice is not None:
        notice(ledger.notice)
    return ledger.path


def sharing_configs(config_path: Path) -> list[Path]:
    """Returns the other configs beside a config that may mean the ledger of their folder: all that do not name another."""
    folder = config_path.parent
    files = [file for suffix in _CONFIG_SUFFIXES for file in sorted(folder.glob(f"*{suffix}"))]
    found = []
    for file in files:
        config = {} if file.resolve() == config_path.resolve() else _config_in(file)
        named = config.get("fixes")
        if config and (named is None or folder / str(named) == folder / SHARED_NAME):
            found.append(file)
    return found


def ledger_of_dataset(dataset_path: Path, manifest: Manifest, config_path: Path | None = None) -> Path | None:
    """Returns the ledger of the config that a dataset was built from.

    Args:
        dataset_path: the dataset.
        manifest: its manifest.
        config_path: the config, where it is named; default: the one beside the dataset or in the working folder, else where the build
            found it.

    Returns:
        The ledger, if there is one; None also where its config is not at hand.
    """
    config = config_path
    if config is None and manifest.config_path:
        config = config_beside(dataset_path, manifest.config_path) or _config_of_log(dataset_path, manifest)
    if config is None or why_not_of(config, manifest) is not None:
        return None
    try:
        ledger = find_ledger(locate_config(config)).path
    except UserError:  # it has changed since, or has a neighbour now: the ledger is the one that the build replayed
        ledger = config.parent / str(manifest.config.get("fixes") or own_ledger(config).name)
    return ledger if ledger.exists() else None


def replayed_bytes(ledger: Path, fixes: Iterable[Fix]) -> bytes | None:
    """Returns what a dataset depends on of its ledger, its `keep` entries left out; None where that is nothing.

    So a finding that a person kept makes no new dataset, and no model is trained again for it.
    """
    if not ledger.exists():
        return None
    content = ledger.read_bytes()
    if all(fix.op != KEEP for fix in fixes):
        return content
    replayed = b"\n".join(b"" if _is_keep(line) else line for line in content.split(b"\n")).rstrip(b"\n")
    return replayed + b"\n" if replayed else None


def _is_keep(line: bytes) -> bool:
    return bool(line.strip()) and json.loads(line).get("op") == KEEP


def _is_of_a_config(path: Path) -> bool:
    if not path.name.endswith(_OWN_SUFFIX):
        return False
    stem = path.name.removesuffix(_OWN_SUFFIX)
    return any(path.with_name(f"{stem}{suffix}").is_file() for suffix in _CONFIG_SUFFIXES)


def _config_in(file: Path) -> dict[str, Any]:
    """Returns what a YAML file says, if it is a build config."""
    try:
        data = parse_yaml(read_text(file), str(file))
    except UserError:
        return {}
    return data if isinstance(data, dict) and {"sources", "templates"} <= data.keys() else {}


def _config_of_log(dataset_path: Path, manifest: Manifest) -> Path | None:
    """Returns the config where the build of a dataset found it: its log, which does not travel with the dataset, says so."""
    try:
        named = json.loads((dataset_path / "build.log").read_text(encoding="utf-8")).get("config")
    except (OSError, ValueError, AttributeError):
        return None
    path = Path(named) if isinstance(named, str) else None
    return path if path is not None and path.name == manifest.config_path and path.is_file() else None
