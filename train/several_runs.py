"""What commands share that train several runs into one folder and compare them on the validation split."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.errors import UserError
from loopwright.files import require_writable
from loopwright.hashing import hash_text
from prep.dataset.manifest import Dataset
from train.config import LAST, LOSS, TrainConfig
from train.runs.folder import weights_dir

if TYPE_CHECKING:
    from train.engine.best import Comparing
    from train.runs.record import RunRecord

RUNS_NAME = "runs"
"""The folder of all runs."""

# The chance of naming a difference that is none, whatever the number of runs.
_ERROR_RATE = 0.05


def folder_of_run(out: Path, dataset: Dataset, config: TrainConfig) -> Path:
    """Returns where a run lies: by what it is, so that one that is there is not trained again."""
    return out / RUNS_NAME / hash_text(dataset.manifest.key, config.identity())[:16]


def without_checkpoints(config: TrainConfig) -> TrainConfig:
    """Returns the options of a run that leaves no checkpoints, unless they ask for other than the usual: there are many runs."""
    usual = config.influence is None and config.keep_checkpoints == TrainConfig.model_fields["keep_checkpoints"].default
    return config.model_copy(update={"keep_checkpoints": ()}) if usual else config


def require_comparable(dataset: Dataset, config: TrainConfig, what: str) -> None:
    """Makes sure that runs can be compared.

    Args:
        dataset: what they are trained on.
        config: their options.
        what: the command's work, with its article.

    Raises:
        UserError: there is no validation split, or they do not look at it.
    """
    if not config.validation or not dataset.manifest.splits.get("validation"):
        cause = f"{what} compares runs on the validation split, and there is none"
        raise UserError(cause, str(dataset.path), "Build the dataset with a validation split, and leave validation: true.")


def require_folder_of(out: Path, names: Collection[str], what: str) -> None:
    """Makes sure that a folder can be made, or is already what it is to be.

    Args:
        out: the folder.
        names: of all that may be in it.
        what: the command's work, with its article.

    Raises:
        UserError: it is a file, holds something else, or cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"the folder of {what} is a file", str(out), "Give another --out.")
    strangers = [path.name for path in sorted(out.iterdir()) if path.name not in names] if out.is_dir() else []
    if stranger := next((name for name in strangers if not name.startswith(".")), None):
        raise UserError(f"the folder holds '{stranger}', which is no part of {what}", str(out), "Give another --out, or move it.")
    require_writable(out)


def metric_of(config: TrainConfig) -> str:
    """Returns what runs are compared by."""
    return LOSS if config.best == LAST else config.best


def comparing(dataset: Dataset, record: "RunRecord", folder: Path, num_comparisons: int = 1) -> "Comparing":
    """Returns what compares runs, each interval wider for the number of comparisons (Bonferroni).

    Args:
        dataset: whose validation rows they were scored on.
        record: of one of the runs.
        folder: where it lies.
        num_comparisons: how many there are.
    """
    from train.engine.best import LossScorer, ScorerRequest, find_scorer
    from train.engine.validation import ValidationScores

    confidence = 1 - _ERROR_RATE / max(1, num_comparisons)
    best = record.config["best"]
    if best in {LOSS, LAST}:
        return LossScorer(ValidationScores.load(weights_dir(folder)).by_loss().examples, confidence)
    return find_scorer(ScorerRequest(best, dataset.path, record.model, record.form, record.chat_template, confidence))
