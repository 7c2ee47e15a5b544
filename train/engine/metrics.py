"""`metrics.jsonl`: a line for each step of a run, in order, none twice and none missing, however often the run was killed."""

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from loopwright.errors import UserError
from loopwright.files import write_atomic
from train.runs.folder import METRICS_NAME

Watch = Callable[[Sequence[dict[str, Any]]], None]


@dataclass(slots=True)
class MetricsLog:
    """Collects the lines of a run. Numbers stay on the device until `flush`, so that a step does not wait for them.

    Attributes:
        path: the file; None: nothing is written, as another process of the run does it.
        watch: is told the lines that were written, every few seconds; None: nobody is.
    """

    path: Path | None
    watch: Watch | None = None
    _pending: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def begin(cls, run_dir: Path | None, num_steps: int, watch: Watch | None = None) -> "MetricsLog":
        """Opens the file of a run that has done so many steps: lines of later ones, which are done again, are taken out.

        Raises:
            UserError: it cannot be written.
        """
        if run_dir is None:
            return cls(None)
        path = run_dir / METRICS_NAME
        write_atomic(path, "".join(f"{line}\n" for line in _lines_up_to(path, num_steps)))
        return cls(path, watch)

    def record(  # noqa: PLR0917 (they are the keys of a line)
        self, step: int, epoch: float, loss: torch.Tensor, learning_rate: float, grad_norm: torch.Tensor, tokens_per_second: float
    ) -> None:
        """Takes note of a step, counted from 1.

        Args:
            step: its number.
            epoch: passes over the train split by its end, 1.5 being one and a half.
            loss: the step's loss, measured before its update.
            learning_rate: the learning rate of its update.
            grad_norm: the norm of its gradient before clipping.
            tokens_per_second: the step's tokens over its time.
        """
        values = {"loss": loss, "learning_rate": learning_rate, "grad_norm": grad_norm, "tokens_per_second": round(tokens_per_second, 1)}
        self._pending.append({"step": step, "epoch": round(epoch, 6), **values})

    def validated(self, loss: float, by_task: dict[str, float]) -> None:
        """Adds the validation loss to the step that is done, and that of each dataset of a mixture."""
        self._pending[-1] |= {"validation_loss": loss, **({"validation_by_task": by_task} if by_task else {})}

    def flush(self) -> None:
        """Writes what is pending, and sees to it that it is on the disk.

        Raises:
            UserError: it cannot be written.
        """
        written = [{key: _plain(value) for key, value in line.items()} for line in self._pending]
        lines = "".join(json.dumps(line) + "\n" for line in written)
        self._pending.clear()
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            remedy = "Check the folder's permissions and the free space, then go on with --resume."
            raise UserError(f"cannot write: {error.strerror or error}", str(self.path), remedy) from error
        if self.watch is not None and written:
            self.watch(written)


def _lines_up_to(path: Path, num_steps: int) -> list[str]:
    """Returns the whole lines of steps up to one; a line that a kill cut in the middle belongs to a later step."""
    if not path.is_file():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= num_steps:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    return kept


def _plain(value: Any) -> Any:
    """Returns a number, or numbers by name, as JSON can hold them: one that is not finite is null."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    number = value.item() if isinstance(value, torch.Tensor) else value
    return None if isinstance(number, float) and not math.isfinite(number) else number
