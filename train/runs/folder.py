"""A run's folder: what lies in it, and whose it is."""

import datetime
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from loopwright.errors import UserError
from prep.dataset.manifest import MANIFEST_NAME
from templates.chat import ChatTemplateConfig
from train.runs.card import CARD_NAME, is_card
from train.runs.record import FILE_NAME, RunRecord

LEDGER_NAME = "ledger.parquet"
CHECKPOINT_NAME = "checkpoint"
STATE_NAME = "state.json"
"""Within the checkpoint: what the run is, and how far."""


def finished_run(run_dir: Path, *, resume: bool, overwrite: bool) -> RunRecord | None:
    """Returns the finished run that is to be resumed; refuses a folder whose run nobody asked to touch.

    Raises:
        UserError: there is a run that is neither to be resumed nor to be replaced, or the folder cannot be a run's.
    """
    if (run_dir / MANIFEST_NAME).exists():
        raise UserError("the run folder is a dataset, which the next build replaces", str(run_dir), "Give another --out.")
    if resume and overwrite:
        raise UserError("--resume and --overwrite exclude each other", remedy="Resume goes on with the run, overwrite removes it.")
    if run_dir.exists() and not run_dir.is_dir():
        raise UserError("the run folder is a file", str(run_dir), "Give another --out.")
    finished, begun = (run_dir / FILE_NAME).exists(), (run_dir / CHECKPOINT_NAME).exists()
    if resume:
        return RunRecord.load(run_dir) if finished else None
    if finished and not overwrite:
        raise UserError("the folder holds a finished run", str(run_dir), "Give another --out, or --overwrite to replace it.")
    if begun and not overwrite:
        raise UserError("the folder holds an unfinished run", str(run_dir), "Finish it with --resume, or replace it with --overwrite.")
    return None


def begun_day(run_dir: Path) -> datetime.date | None:
    """Returns the day that the chat template was told in an unfinished run; None where that does not say so."""
    try:
        state = json.loads((run_dir / CHECKPOINT_NAME / STATE_NAME).read_text(encoding="utf-8"))
        return ChatTemplateConfig.model_validate(state["identity"]["chat_template"]).date
    except (OSError, ValueError, KeyError, TypeError):  # a damaged one is reported by whatever loads it whole
        return None


def remove_run(run_dir: Path, saved_names: Iterable[str]) -> None:
    """Removes a run's own files, and nothing else that may lie in the folder.

    Args:
        run_dir: the run's folder.
        saved_names: the files that its method saved; those that are not there are passed over.
    """
    for name in (FILE_NAME, *saved_names, LEDGER_NAME):  # run.json first: without it the folder holds no finished run
        (run_dir / name).unlink(missing_ok=True)
    if is_card(run_dir / CARD_NAME):
        (run_dir / CARD_NAME).unlink()
    shutil.rmtree(run_dir / CHECKPOINT_NAME, ignore_errors=True)
