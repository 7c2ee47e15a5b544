"""Everything about a run that can be checked before a model is loaded or a file is written; nothing here needs torch."""

from dataclasses import dataclass
from pathlib import Path

from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.files import require_writable
from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from train.config import TrainConfig
from train.data.examples import TrainingData, load_examples
from train.methods.base import METHODS, Method
from train.models.load import model_folder
from train.objectives.base import OBJECTIVES, Objective
from train.runs.folder import finished_run
from train.runs.record import RunRecord


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked run.

    Attributes:
        dataset: the opened dataset.
        objective: what is learned from an example.
        method: what of the model is trained.
        model_folder: the base model's files.
        data: the encoded examples.
        finished: the run that is in the folder already and is to be resumed.
    """

    dataset: Dataset
    objective: Objective
    method: Method
    model_folder: Path
    data: TrainingData
    finished: RunRecord | None


def prepare(dataset_dir: Path, run_dir: Path, config: TrainConfig, *, resume: bool, overwrite: bool) -> Prepared:
    """Checks a run, and encodes its examples.

    Raises:
        UserError: the dataset, its rows, the model, an option or the run folder is not fit.
    """
    dataset = Dataset.open(dataset_dir)
    objective = OBJECTIVES.get(config.objective)(config)
    method = METHODS.get(config.method)(config)
    finished = finished_run(run_dir, resume=resume, overwrite=overwrite)
    require_writable(run_dir)
    folder = model_folder(config.model)
    tokenizer = load_tokenizer(config.model)
    data = load_examples(dataset, objective, tokenizer, config, length_limit(folder, config))
    _report_left_out(data)
    return Prepared(dataset, objective, method, folder, data, finished)


def length_limit(folder: Path, config: TrainConfig) -> int:
    """Returns the longest example in tokens: `max_length`, or what the model can take where that is less.

    Raises:
        UserError: the model's config cannot be read.
    """
    from transformers import AutoConfig

    try:
        model_config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"cannot read the model's config: {str(error).splitlines()[0]}", str(folder)) from error
    return min(config.max_length, getattr(model_config, "max_position_embeddings", None) or config.max_length)


def _report_left_out(data: TrainingData) -> None:
    if data.too_long:
        notice(f"{len(data.too_long)} examples exceed the length limit and are left out; run.json lists them.")
    if data.other_form:
        notice(f"{len(data.other_form)} examples do not have the form that is trained and are left out; run.json lists them.")
