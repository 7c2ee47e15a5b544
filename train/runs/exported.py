"""`export.json`: what an exported folder is, and what an export may replace."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from loopwright.errors import UserError
from loopwright.files import write_atomic
from loopwright.hashing import hash_file
from prep.dataset.replaceable import Replaceable, check_replaceable
from train.runs.proof import Proof

EXPORT_NAME = "export.json"
BASE_NAME = "base"
"""The folder of the base model within an exported adapter."""
Kind = Literal["merged", "adapter"]
_REMEDY = "Name another folder with --out, or empty this one."


class ExportedFile(BaseModel):
    """A file of an export."""

    bytes: int
    sha256: str


class Difference(BaseModel):
    """A mean difference of paired losses with its 95 % interval; the interval is null where there are too few rows for one."""

    value: float
    low: float | None
    high: float | None


class ExportRecord(BaseModel):
    """`export.json`. Written last."""

    model_config = ConfigDict(extra="forbid")

    to: Kind
    run: str
    """The run folder's name; of a run from several seeds, with that of the seed."""
    loopwright_version: str
    objective: str
    method: str
    auto_class: str
    """The class of transformers that loads the model."""
    dtype: str
    """The precision in which the run computed, and in which a merged model is stored."""
    base: str | None
    """What the model hub calls the base; null where it is not known to be a model of the hub."""
    base_revision: str | None
    """Its commit there."""
    base_sha256: str
    """The hash of the base's weights (`train.models.load.model_sha256`)."""
    with_base: bool = False
    """The base lies in the folder `base`."""
    canaries: int | None = None
    """Canaries that the run was trained on; null where there were none."""
    num_validation_examples: int | None
    """Validation examples on which the losses were measured; null where they were not."""
    loss_before: float | None
    """Mean loss on the validation split of base and adapter, as trained."""
    loss_after: float | None
    """Mean loss of the exported model, loaded from its files."""
    difference: Difference | None
    """`loss_after` less `loss_before`, paired by example."""
    not_measured: str | None
    """Why the losses are null."""
    loaded: Proof
    """Whether plain transformers or peft, in a fresh process, takes every exported weight and gets the logits of the trained model."""
    chat_template_kwargs: dict[str, Any]
    """The chat template's variables that a server has to pass, to ask the model as it was trained."""
    notes: list[str]
    """What whoever uses the folder has to know."""
    files: dict[str, ExportedFile]
    """All other files of the folder."""

    @classmethod
    def load(cls, folder: Path) -> "ExportRecord":
        """Reads the record of an exported folder.

        Raises:
            UserError: there is none, or it is damaged.
        """
        path = folder / EXPORT_NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UserError("the folder holds no export: there is no export.json in it", str(folder), _REMEDY) from error
        except ValueError as error:
            raise UserError("export.json is damaged or of another version", str(path), _REMEDY) from error

    def save(self, folder: Path) -> None:
        """Writes the record.

        Raises:
            UserError: it cannot be written.
        """
        write_atomic(folder / EXPORT_NAME, self.model_dump_json(indent=2) + "\n")


def list_files(folder: Path) -> dict[str, ExportedFile]:
    """Returns all files below a folder, by their path in it, with size and hash."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): ExportedFile(bytes=path.stat().st_size, sha256=hash_file(path)) for path in found}


def require_place(out: Path, *, overwrite: bool) -> None:
    """Makes sure that an export may be written to a folder: it is new, empty, or an older export that is to be replaced.

    Raises:
        UserError: something else is there.
    """
    check_replaceable(out, _OLDER_EXPORT)
    if (out / EXPORT_NAME).exists() and not overwrite:
        raise UserError("the folder holds an export", str(out), "Give another --out, or --overwrite to replace it.")


def _is_export(folder: Path) -> bool:
    try:
        ExportRecord.load(folder)
    except UserError:
        return False
    return True


def _find_stranger(folder: Path) -> str | None:
    """Returns the first file that is not among those that the folder's export lists."""
    if not (folder / EXPORT_NAME).exists():
        return None
    known = {*ExportRecord.load(folder).files, EXPORT_NAME}
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return next((name for name in names if name not in known), None)


_OLDER_EXPORT = Replaceable(
    find_stranger=_find_stranger,
    file=("this is a file, not a folder", "Name another folder with --out."),
    stranger=("the folder holds '{stranger}', which is no part of the export in it", _REMEDY),
    is_older=_is_export,
    unlike=("the folder holds something that is no export", _REMEDY),
)
