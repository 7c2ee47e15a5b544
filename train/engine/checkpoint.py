"""Checkpoints: all that a killed run needs to go on as if nothing had happened. No pickle: safetensors, JSON and parquet."""

import json
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from loopwright.errors import UserError
from loopwright.files import atomic_dir, os_errors
from train.config import completed
from train.engine.best import Best
from train.methods.base import trainable
from train.models.load import Model
from train.runs.evidence import StepRecord
from train.runs.folder import CHECKPOINT_NAME, CHECKPOINTS_NAME, STATE_NAME

_TENSORS, _LEDGER = "tensors.safetensors", "ledger.parquet"
REFERENCE = "reference"
"""The tensor of what the model that the run began with says."""
_WEIGHTS = "adapter/"


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is.

    Attributes:
        num_steps: steps done; data order, learning rate and dropout follow from it and the config.
        seconds: time in training steps so far.
        validation_losses: `[step, loss]` of each validation so far.
        loss_before: the validation loss before the first step; None without a validation split, and in checkpoints of earlier versions.
        best: the best checkpoint so far; None before the first validation, or where the last one is kept anyway.
        micro_batch_tokens: the most tokens in one forward pass, where memory ran out and there are fewer than the config lets.
        peak_memory_bytes: the most memory that any process of the run took.
        first_steps: the first steps as they were done; empty in a checkpoint of a version that did not record them.
        validation_by_task: `[step, {dataset: loss}]` of each validation of a mixture so far.
    """

    num_steps: int = 0
    seconds: float = 0.0
    validation_losses: tuple[tuple[int, float], ...] = ()
    best: Best | None = None
    micro_batch_tokens: int | None = None
    peak_memory_bytes: int = 0
    first_steps: tuple[StepRecord, ...] = ()
    validation_by_task: tuple[tuple[int, dict[str, float]], ...] = ()
    loss_before: float | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run between two steps.

    Attributes:
        progress: how far the run was.
        ledger: what the ledger had recorded.
        tensors: `adapter/NAME`, whatever the method that trains it; `optimizer/NAME/KEY`; and, where the objective needs it,
            `reference`, the log-probability of each sequence under the model that the run began with.
    """

    progress: RunProgress
    ledger: pl.DataFrame
    tensors: dict[str, torch.Tensor]

    @classmethod
    def of(
        cls,
        progress: RunProgress,
        ledger: pl.DataFrame,
        model: Model,
        optimizer: torch.optim.Optimizer,
        reference: torch.Tensor | None,
    ) -> "Checkpoint":
        """Takes the state of a run between two steps; the tensors are the run's own, not copies."""
        tensors = {} if reference is None else {REFERENCE: reference}
        for name, parameter in trainable(model).items():
            tensors[f"adapter/{name}"] = parameter.detach()
            tensors |= {f"optimizer/{name}/{key}": value for key, value in optimizer.state[parameter].items()}
        return cls(progress, ledger, tensors)

    @property
    def reference(self) -> torch.Tensor | None:
        """What `of` was given."""
        return self.tensors.get(REFERENCE)

    def apply(self, model: Model, optimizer: torch.optim.Optimizer) -> None:
        """Puts what is trained and the optimiser where they were."""
        state: dict[int, dict[str, torch.Tensor]] = {}
        # The optimiser counts its parameters group by group.
        places = {
            id(parameter): index for index, parameter in enumerate(one for group in optimizer.param_groups for one in group["params"])
        }
        self.apply_weights(model)
        for name, parameter in trainable(model).items():
            prefix = f"optimizer/{name}/"
            state[places[id(parameter)]] = {
                key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)
            }
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

    def apply_weights(self, model: Model) -> None:
        """Puts what is trained where it was."""
        with torch.no_grad():
            for name, parameter in trainable(model).items():
                parameter.copy_(self.tensors[f"adapter/{name}"])

    def save(self, run_dir: Path, identity: dict[str, Any]) -> None:
        """Writes the checkpoint into a run's folder; the one before is there until this one is whole.

        Args:
            run_dir: the run's folder.
            identity: what must be the same for a run to go on from it.

        Raises:
            UserError: it cannot be written.
        """
        self.write(run_dir / CHECKPOINT_NAME, identity)

    def keep(self, run_dir: Path, identity: dict[str, Any]) -> None:
        """Writes the checkpoint among those that stay; otherwise as `save`."""
        self.write(kept_dir(run_dir, self.progress.num_steps), identity)

    def write(self, target: Path, identity: dict[str, Any]) -> None:
        """Writes the checkpoint as a folder; otherwise as `save`."""
        with atomic_dir(target) as folder, os_errors():
            try:
                save_file(self.tensors, folder / _TENSORS)
            except SafetensorError as error:  # a full disk, for one
                raise OSError(str(error)) from error
            self.ledger.write_parquet(folder / _LEDGER)
            state = {"identity": identity, "progress": asdict(self.progress)}
            (folder / STATE_NAME).write_text(json.dumps(state, indent=2), encoding="utf-8")


def kept_dir(run_dir: Path, step: int) -> Path:
    """Returns the folder of a checkpoint that stays."""
    return run_dir / CHECKPOINTS_NAME / f"step-{step}"


def drop_unkept(run_dir: Path, kept: Collection[int]) -> None:
    """Removes the checkpoints in `checkpoints/` but for those of some steps."""
    folder = run_dir / CHECKPOINTS_NAME
    names = {kept_dir(run_dir, step).name for step in kept}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name not in names:
            shutil.rmtree(path, ignore_errors=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def load_kept_weights(run_dir: Path, step: int) -> dict[str, torch.Tensor]:
    """Reads what was trained, as it was at one of those steps, by the names of the model's parameters; the optimiser's state is left.

    Raises:
        UserError: the checkpoint is no longer there, or cannot be read.
    """
    folder = kept_dir(run_dir, step)
    if not folder.is_dir():
        raise UserError(f"the checkpoint of step {step} is no longer there", str(folder), "Train again with --overwrite.")
    try:
        with safe_open(folder / _TENSORS, framework="pt") as file:
            return {name.removeprefix(_WEIGHTS): file.get_tensor(name) for name in file.keys() if name.startswith(_WEIGHTS)}  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"the checkpoint cannot be read: {error}", str(folder), "Train again with --overwrite.") from error


def load_checkpoint(run_dir: Path, identity: dict[str, Any], step: int | None = None) -> Checkpoint | None:
    """Reads a run's checkpoint; None where there is none.

    Args:
        run_dir: the run's folder.
        identity: what must be the same.
        step: one of those that stay; None: the last one that was written.

    Raises:
        UserError: it cannot be read, or belongs to a run with another dataset, model or config.
    """
    folder = run_dir / CHECKPOINT_NAME if step is None else kept_dir(run_dir, step)
    if not folder.is_dir():
        return None
    try:
        state = json.loads((folder / STATE_NAME).read_text(encoding="utf-8"))
        progress = state["progress"]
        progress["validation_losses"] = tuple((done, loss) for done, loss in progress["validation_losses"])
        progress["validation_by_task"] = tuple((done, by_task) for done, by_task in progress.get("validation_by_task", ()))
        progress["best"] = Best(**progress["best"]) if progress.get("best") else None
        progress["first_steps"] = tuple(StepRecord(**record) for record in progress.get("first_steps", ()))
        saved = state["identity"]
        saved["config"] = completed(saved["config"])
        require_same(saved, identity, folder)
        return Checkpoint(RunProgress(**progress), pl.read_parquet(folder / _LEDGER), load_file(folder / _TENSORS))
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError, SafetensorError) as error:
        raise UserError(f"the checkpoint cannot be read: {error}", str(folder), "Start again with --overwrite.") from error


def require_same(saved: dict[str, Any], identity: dict[str, Any], folder: Path) -> None:
    """Makes sure that a run may go on as what it was.

    Args:
        saved: the identity that it had.
        identity: the one that it would have now.
        folder: where it lies, for the message.

    Raises:
        UserError: they differ; the message says in what.
    """
    before, now = _flatten(saved), _flatten(identity)
    changed = [f"{key} was {before.get(key)!r}, is {now.get(key)!r}" for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    if changed:
        raise UserError(
            f"the run cannot be resumed, because it would be another run: {'; '.join(changed)}",
            str(folder),
            "Give what it was started with, or start again with --overwrite.",
        )


def _flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flatten(inner, f"{prefix}{key}.") if isinstance(inner, dict) else {f"{prefix}{key}": inner}
    return flat
