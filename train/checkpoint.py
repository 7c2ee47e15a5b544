"""Checkpoints: all that a killed run needs to go on as if nothing had happened. No pickle: safetensors, JSON and parquet."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors.torch import load_file, save_file

from loopwright.errors import UserError
from loopwright.files import atomic_dir
from train.adapter import trainable
from train.models import Model

FOLDER_NAME = "checkpoint"
_TENSORS, _STATE, _LEDGER = "tensors.safetensors", "state.json", "ledger.parquet"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        num_steps: steps done; data order, learning rate and dropout follow from it and the config.
        seconds: time in training steps so far.
        validation_losses: `[step, loss]` of each validation so far.
    """

    num_steps: int = 0
    seconds: float = 0.0
    validation_losses: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint as read.

    Attributes:
        progress: how far the run was.
        ledger: what the ledger had recorded.
        tensors: `adapter/NAME` and `optimizer/NAME/KEY`.
    """

    progress: Progress
    ledger: pl.DataFrame
    tensors: dict[str, torch.Tensor]

    def apply(self, adapted: Model, optimizer: torch.optim.Optimizer) -> None:
        """Puts the adapter and the optimiser where they were."""
        parameters = trainable(adapted)
        state: dict[int, dict[str, torch.Tensor]] = {}
        with torch.no_grad():
            for index, (name, parameter) in enumerate(parameters.items()):
                parameter.copy_(self.tensors[f"adapter/{name}"])
                prefix = f"optimizer/{name}/"
                state[index] = {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def save_checkpoint(
    run_dir: Path, identity: dict[str, Any], progress: Progress, ledger: pl.DataFrame, adapted: Model, optimizer: torch.optim.Optimizer
) -> None:
    """Writes a checkpoint; the one before is there until this one is whole.

    Args:
        run_dir: the run's folder.
        identity: what must be the same for a run to go on from it.
        progress: how far the run is.
        ledger: what the ledger has recorded.
        adapted: the model with its adapter.
        optimizer: the adapter's optimiser.

    Raises:
        UserError: it cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    for name, parameter in trainable(adapted).items():
        tensors[f"adapter/{name}"] = parameter.detach()
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer/{name}/{key}"] = value
    with atomic_dir(run_dir / FOLDER_NAME) as folder:
        save_file(tensors, folder / _TENSORS)
        ledger.write_parquet(folder / _LEDGER)
        (folder / _STATE).write_text(json.dumps({"identity": identity, "progress": asdict(progress)}, indent=2), encoding="utf-8")


def load_checkpoint(run_dir: Path, identity: dict[str, Any]) -> Checkpoint | None:
    """Reads a run's checkpoint; None where there is none.

    Raises:
        UserError: it cannot be read, or belongs to a run with another dataset, model or config.
    """
    folder = run_dir / FOLDER_NAME
    if not folder.is_dir():
        return None
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        progress = state["progress"]
        losses = tuple((step, loss) for step, loss in progress.pop("validation_losses"))
        require_same(state["identity"], identity, folder)
        return Checkpoint(
            Progress(**progress, validation_losses=losses), pl.read_parquet(folder / _LEDGER), load_file(folder / _TENSORS)
        )
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise UserError(f"the checkpoint cannot be read: {error}", str(folder), "Start again with --overwrite.") from error


def require_same(saved: dict[str, Any], identity: dict[str, Any], folder: Path) -> None:
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
