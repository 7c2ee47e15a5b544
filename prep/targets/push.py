"""Publishing a built dataset: to the Hugging Face hub, or to a folder with the same layout."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import UserError, missing_extra
from loopwright.files import atomic_dir
from loopwright.models import is_hub_name
from prep.build.checks import OLDER_DATASET
from prep.dataset.manifest import MANIFEST_NAME, Dataset
from prep.dataset.replaceable import check_replaceable

_CARD = "README.md"
_DROPPED = "dropped.jsonl"
_HUB = "hf://"


@dataclass(frozen=True, slots=True)
class PushResult:
    """What was published.

    Attributes:
        to: the folder, or the hub repository's address.
        files: what went there, relative to the dataset.
        kept_back: files of the dataset that did not.
    """

    to: str
    files: list[str]
    kept_back: list[str]

    def to_json(self) -> dict[str, object]:
        """Returns the result as `--json` prints it."""
        return {"to": self.to, "files": self.files, "kept_back": self.kept_back}


def push(dataset_dir: Path, to: str, *, private: bool = False, with_dropped: bool = False) -> PushResult:
    """Publishes what the manifest lists. `build.log`, and rows that were dropped, stay here: the one names this machine's paths, the others
    were perhaps dropped for what they say.

    Args:
        dataset_dir: a built dataset.
        to: a hub name such as `organisation/name` or `hf://organisation/name`, or a folder: `./name`, an absolute path, or one that
            is there.
        private: make the hub repository private; one that is there and public is refused.
        with_dropped: publish the dropped rows too.

    Raises:
        UserError: the dataset is not whole, the target is not clear or cannot be written, or there is no token for the hub.
    """
    dataset = Dataset.open(dataset_dir)
    files, kept_back = _choose(dataset, with_dropped)
    name = _hub_name(to)
    if name is None:
        folder = Path(to).expanduser()
        _copy(dataset, files, folder)
        return PushResult(str(folder), files, kept_back)
    return PushResult(_upload(dataset, files, name, private), files, kept_back)


def _choose(dataset: Dataset, with_dropped: bool) -> tuple[list[str], list[str]]:
    """Returns the files to publish and those to keep back."""
    listed = {MANIFEST_NAME, _CARD, *dataset.manifest.files}
    files = sorted(name for name in listed if name != _DROPPED or with_dropped)
    present = {path.relative_to(dataset.path).as_posix() for path in dataset.path.rglob("*") if path.is_file()}
    if missing := [name for name in files if name not in present]:
        raise UserError(f"a file of the dataset is missing: {missing[0]}", str(dataset.path), "Build the dataset again.")
    return files, sorted(present - set(files))


def _hub_name(to: str) -> str | None:
    """Returns a hub repository's name; None for a folder."""
    if to.startswith(_HUB):
        name = to.removeprefix(_HUB).removeprefix("datasets/")
        if not is_hub_name(name):
            raise UserError(f"'{to}' names no hub repository", remedy="Write it as hf://organisation/name.")
        return name
    if Path(to).expanduser().is_dir() or not is_hub_name(to):
        return None
    if Path(to).parent.is_dir():
        # Uploading what was meant to stay cannot be undone.
        remedy = f"Write ./{to} for the folder, or {_HUB}{to} for the hub."
        raise UserError(f"'{to}' can be a folder here or a name on the hub", remedy=remedy)
    return to


def _copy(dataset: Dataset, files: list[str], out: Path) -> None:
    if dataset.path.resolve() == out.resolve():
        raise UserError("the dataset is in this folder already", str(out), "Name another folder.")
    check_replaceable(out, OLDER_DATASET)
    with atomic_dir(out) as folder:
        for name in files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(dataset.path / name, target)  # private files stay private


def _upload(dataset: Dataset, files: list[str], name: str, private: bool) -> str:
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise missing_extra("pushing to the hub", "hub") from error
    token = hub.get_token()
    if not token:
        raise UserError("there is no token for the hub", remedy="Log in with `hf auth login`, or set HF_TOKEN.")
    api = hub.HfApi(token=token)
    try:
        repository = api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
        # One that was there keeps its visibility, whatever was asked for.
        is_public = private and not api.repo_info(name, repo_type="dataset").private
        if not is_public:
            message = f"Add {dataset.manifest.name}, made by Loopwright {dataset.manifest.loopwright_version}"
            api.upload_folder(
                repo_id=name, repo_type="dataset", folder_path=os.fspath(dataset.path), allow_patterns=files, commit_message=message
            )
    except Exception as error:  # the client raises errors of its own, of its HTTP library and of its transfer library here
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"the hub did not take it: {cause}", name, "Check the name, the token's rights and the connection.") from error
    if is_public:
        raise UserError(f"the repository '{name}' is there already and is public", remedy="Make it private first, or name another.")
    return str(repository)
