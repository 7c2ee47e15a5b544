"""A run's folder: what lies in it, and whose it is."""

import datetime
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from loopwright.errors import UserError
from prep.dataset.manifest import MANIFEST_NAME
from templates.chat import ChatTemplateConfig
from train.runs.card import CARD_NAME, is_card
from train.runs.record import FILE_NAME, REPORT_NAME, RunRecord
from train.runs.tokenizer_files import TOKENIZER_NAMES

LEDGER_NAME = "ledger.parquet"
CHECKPOINT_NAME = "checkpoint"
CHECKPOINTS_NAME = "checkpoints"
"""The checkpoints that stay, each in a folder `step-N`."""
INFLUENCE_NAME = "influence.parquet"
"""Sketches of the training rows' gradients (`train.ledger.influence`)."""
METRICS_NAME = "metrics.jsonl"
TRACKING_NAME = "tracking"
"""What trackers keep of the run, each in a folder of its name."""
VALIDATION_NAME = "validation.json"
"""What the saved weights say of each validation example, by which runs are compared in pairs."""
STATE_NAME = "state.json"
"""Within the checkpoint: what the run is, and how far."""


def seed_dir(run_dir: Path, seed: int) -> Path:
    """Returns the folder of one seed's run."""
    return run_dir / f"seed-{seed}"


def weights_dir(run_dir: Path) -> Path:
    """Returns the folder that holds what a run saved: its own or, of a run from several seeds, that of the median validation loss.

    Raises:
        UserError: the folder holds no finished run.
    """
    record = RunRecord.load(run_dir)
    return run_dir if record.seeds is None else seed_dir(run_dir, record.seed)


def kept_steps(run_dir: Path) -> list[int]:
    """Returns the steps whose checkpoints a run keeps, in their order."""
    folder = run_dir / CHECKPOINTS_NAME
    names = [path.name.removeprefix("step-") for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def run_names(saved_names: Iterable[str]) -> tuple[str, ...]:
    """Returns the names of all that a run's folder may hold, `run.json` first: without it the folder holds no finished run.

    Args:
        saved_names: the files that its method saves.
    """
    own = (LEDGER_NAME, INFLUENCE_NAME, METRICS_NAME, REPORT_NAME, TRACKING_NAME, VALIDATION_NAME, CHECKPOINT_NAME, CHECKPOINTS_NAME)
    return (FILE_NAME, *saved_names, *TOKENIZER_NAMES, *own)


def finished_run(run_dir: Path, saved_names: Iterable[str], *, resume: bool, overwrite: bool) -> RunRecord | None:
    """Returns the finished run that is to be resumed; refuses a folder whose run nobody asked to touch.

    Args:
        run_dir: the run's folder.
        saved_names: the files that any method saves.
        resume: the run is to be gone on with.
        overwrite: the run is to be replaced.

    Raises:
        UserError: there is a run that is neither to be resumed nor to be replaced, or the folder cannot be a run's.
    """
    if (run_dir / MANIFEST_NAME).exists():
        raise UserError("the run folder is a dataset, which the next build replaces", str(run_dir), "Give another --out.")
    if resume and overwrite:
        raise UserError("--resume and --overwrite exclude each other", remedy="Resume goes on with the run, overwrite removes it.")
    if run_dir.exists() and not run_dir.is_dir():
        raise UserError("the run folder is a file", str(run_dir), "Give another --out.")
    _require_no_strangers(run_dir, saved_names)
    finished, begun = (run_dir / FILE_NAME).exists(), (run_dir / CHECKPOINT_NAME).exists() or any(_seed_dirs(run_dir))
    if resume:
        return RunRecord.load(run_dir) if finished else None
    if finished and not overwrite:
        raise UserError("the folder holds a finished run", str(run_dir), "Give another --out, or --overwrite to replace it.")
    if begun and not overwrite:
        raise UserError("the folder holds an unfinished run", str(run_dir), "Finish it with --resume, or replace it with --overwrite.")
    return None


def is_begun(run_dir: Path) -> bool:
    """Says whether a folder holds the checkpoint of an unfinished run."""
    return (run_dir / CHECKPOINT_NAME / STATE_NAME).is_file()


def begun_day(run_dir: Path) -> datetime.date | None:
    """Returns the day that the chat template was told in an unfinished run; None where that does not say so."""
    try:
        state = json.loads((run_dir / CHECKPOINT_NAME / STATE_NAME).read_text(encoding="utf-8"))
        return ChatTemplateConfig.model_validate(state["identity"]["chat_template"]).date
    except (OSError, ValueError, KeyError, TypeError):  # a damaged one is reported by whatever loads it whole
        return None


def _require_no_strangers(run_dir: Path, saved_names: Iterable[str]) -> None:
    """Refuses a folder that holds what no run writes. Names that begin with a dot are what a killed command left, or the system put there.

    Raises:
        UserError: there is such a file or folder.
    """
    known = (*run_names(saved_names), *([CARD_NAME] if is_card(run_dir / CARD_NAME) else []))
    names = sorted(path.name for path in run_dir.iterdir()) if run_dir.is_dir() else []
    known += tuple(path.name for path in _seed_dirs(run_dir))
    stranger = next((name for name in names if name not in known and not name.startswith(".")), None)
    if stranger is not None:
        raise UserError(f"the run folder holds '{stranger}', which is no part of a run", str(run_dir), "Give another --out, or move it.")


def _seed_dirs(run_dir: Path) -> Iterator[Path]:
    """Yields the folders of the seeds of a run."""
    return (path for path in sorted(run_dir.glob("seed-*")) if path.name.removeprefix("seed-").isdecimal() and path.is_dir())


def remove_run(run_dir: Path, saved_names: Iterable[str]) -> None:
    """Removes a run's own files, and nothing else that may lie in the folder.

    Args:
        run_dir: the run's folder.
        saved_names: the files that its method saved; those that are not there are passed over.
    """
    for path in (*(run_dir / name for name in run_names(saved_names)), *_seed_dirs(run_dir)):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if is_card(run_dir / CARD_NAME):
        (run_dir / CARD_NAME).unlink()
