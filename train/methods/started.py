"""A run that begins with the weights of another: what the two must have in common, and which weights those are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.errors import UserError
from loopwright.hashing import hash_file, hash_text
from train.config import TrainConfig
from train.methods.base import METHODS, Method
from train.models.load import model_sha256
from train.runs.folder import weights_dir
from train.runs.record import RunRecord, StartRecord

_WHERE = "start"


@dataclass(frozen=True, slots=True)
class Start:
    """The weights that a run begins with.

    Attributes:
        run: the folder of the run that saved them.
        weights: where they lie in it: of a run from several seeds, in that of the median validation loss.
        sha256: a hash of them.
    """

    run: Path
    weights: Path
    sha256: str

    def record(self) -> StartRecord:
        """Returns what `run.json` says of them."""
        return StartRecord(run=str(self.run), sha256=self.sha256)


def open_start(config: TrainConfig, run_dir: Path | None, base: Path, auto_class: str) -> Start | None:
    """Returns what a run begins with; None: with its base.

    Args:
        config: the run's options.
        run_dir: its folder; None: it has none yet.
        base: the folder of its base model.
        auto_class: the class of transformers that loads it.

    Raises:
        UserError: the other run is not finished, or of another base, method or shape; or the two lie within each other.
    """
    if config.start is None:
        return None
    run = Path(config.start).resolve()
    out = None if run_dir is None else run_dir.resolve()
    if out is not None and (run.is_relative_to(out) or out.is_relative_to(run)):
        raise UserError("a run cannot start from itself, or lie within the one that it starts from", str(run_dir), "Give another --out.")
    weights = weights_dir(run)
    record = RunRecord.load(weights)
    differences = _differences(record, config, base, auto_class)
    if differences:
        raise UserError(
            f"the run cannot start from this one, because they differ: {'; '.join(differences)}",
            str(run),
            "Give what that run was trained with, or leave 'start' out.",
        )
    method = METHODS.get(config.method)
    method.require_saved(weights)
    return Start(run, weights, weights_hash(method, weights))


def find_start(record: RunRecord) -> Start | str | None:
    """Returns what a finished run began with, to begin with it again; why that is not possible; None: it began with its base."""
    if record.start is None:
        return None
    try:
        run = Path(record.start.run)
        weights = weights_dir(run)
        sha256 = weights_hash(METHODS.get(record.method), weights)
    except UserError as error:
        return f"the run that it started from is not there any more ({record.start.run}): {error.cause}"
    if sha256 != record.start.sha256:
        return f"the run that it started from has other weights by now ({record.start.run})"
    return Start(run, weights, sha256)


def weights_hash(method: type[Method], folder: Path) -> str:
    """Returns a hash of the files in which a run saved its weights.

    Raises:
        UserError: they are not there.
    """
    method.require_saved(folder)
    weights = [name for name in method.file_names if name.endswith(".safetensors")] or list(method.file_names)
    return hash_text(*(hash_file(folder / name) for name in weights))


def _differences(record: RunRecord, config: TrainConfig, base: Path, auto_class: str) -> list[str]:
    """Says in what two runs differ that must be the same for one to begin with the other's weights."""
    if record.method != config.method:
        return [f"method was {record.method}, is {config.method}"]
    found = []
    if record.model_sha256 != model_sha256(base):
        found.append(f"the base model was '{record.model}', and '{config.model}' has other weights")
    if record.auto_class != auto_class:
        found.append(f"the objective '{record.objective}' trains another kind of model than '{config.objective}'")
    section: Any = getattr(config, config.method, None)
    for name in METHODS.get(config.method).shape if section is not None else ():
        before, now = (getattr(one, name) for one in (getattr(TrainConfig.model_validate(record.config), config.method), section))
        found += [f"{config.method}.{name} was {before}, is {now}"] if before != now else []
    return found
