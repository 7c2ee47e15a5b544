"""Everything about a run that can be checked before a model is loaded or a file is written; nothing here needs torch."""

import datetime
from dataclasses import dataclass, replace
from pathlib import Path

from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.files import require_writable
from prep.dataset.manifest import Dataset
from templates.chat import ChatTemplateConfig, load_tokenizer, served_kwargs
from templates.chat_options import asks_clock, dated_notice, used_options
from templates.form import Form
from train.config import LAST, LOSS, TrainConfig
from train.data.examples import TrainingData, load_examples
from train.data.leaks import Leaks, find_leaks, leak_error
from train.data.mixture import MixedDataset, Mixture, open_dataset
from train.engine.best import CheckpointScorer, ScorerRequest, find_scorer
from train.ledger.influence import prepare_influence
from train.methods.base import METHODS, Method, saved_names
from train.methods.started import Start, open_start
from train.models.config_checks import model_config, position_limit, require_embeddings, require_trainable
from train.models.load import model_folder
from train.models.quantize import require_quantizable
from train.objectives.base import OBJECTIVES, Objective
from train.objectives.loss_options import require_loss
from train.runs.folder import begun_day, finished_run, is_begun
from train.runs.record import RunRecord
from train.trackers.base import require_trackers

_CHATS = (Form.CHAT, Form.PREFERENCE, Form.UNPAIRED)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked run.

    Attributes:
        dataset: the opened dataset, or several as one.
        objective: what is learned from an example.
        method: what of the model is trained.
        model_folder: the base model's files.
        data: the encoded examples.
        chat_template: how the chat template is used.
        leaks: train examples that are also in an evaluation split; of a run, those that the config allows.
        finished: the run that is in the folder already and is to be resumed.
        start: the weights that it begins with; None: the base's.
    """

    dataset: Dataset
    objective: Objective
    method: Method
    model_folder: Path
    data: TrainingData
    chat_template: ChatTemplateConfig
    leaks: Leaks
    finished: RunRecord | None = None
    start: Start | None = None


# What T5 was fine-tuned with (Raffel et al., 2020): Adafactor scales each update by its weight's own size, so that the rate says a share.
_ADAFACTOR_RATE = 1e-3


def with_learning_rate(config: TrainConfig) -> TrainConfig:
    """Returns the options with the learning rate filled in: that of the method, times the objective's factor, where none is given.

    Raises:
        UserError: there is no such method or objective.
    """
    method, objective = METHODS.get(config.method), OBJECTIVES.get(config.objective)
    if config.learning_rate is not None:
        return config
    rate = _ADAFACTOR_RATE if config.optimizer == "adafactor" else method.learning_rate
    return config.model_copy(update={"learning_rate": rate * objective.learning_rate_factor})


def prepare(
    source: Path | Mixture,
    run_dir: Path,
    config: TrainConfig,
    *,
    resume: bool,
    overwrite: bool,
    config_path: Path | None = None,
    day: datetime.date | None = None,
) -> Prepared:
    """Checks a run, and encodes its examples.

    Args:
        dataset_dir: the built dataset.
        run_dir: the run's folder.
        config: its options.
        resume: the run is gone on with.
        overwrite: the run in the folder is replaced.
        config_path: the config that the dataset was built by; default: the one that lies beside it.
        day: what a chat template that asks for the day is told; default: the run's own where it is gone on with, else today.

    Raises:
        UserError: the dataset, its rows, the model, an option or the run folder is not fit.
    """
    dataset = open_dataset(source)
    finished = finished_run(run_dir, saved_names(), resume=resume, overwrite=overwrite)
    require_writable(run_dir)
    options = _chat_template(dataset, run_dir, finished, resume=resume)
    options = options if day is None else options.model_copy(update={"date": day})
    prepared = prepare_rows(dataset, config, options, config_path, run_dir)
    prepare_influence(config, len(prepared.data.train), run_dir)
    _report_left_out(prepared.data)
    leaks = prepared.leaks
    has_begun = resume and (finished is not None or is_begun(run_dir))
    if leaks.unasked and config.leaks == "refuse" and not has_begun:
        raise leak_error(dataset, leaks.unasked, prepared.data.train)
    if leaks.ids and not leaks.unasked:
        notice(f"The config gives {len(leaks.ids)} rows to train and to validation or test: scores there measure memory, and say so.")
    return replace(prepared, finished=finished)


def prepare_rows(
    dataset: Dataset, config: TrainConfig, chat_template: ChatTemplateConfig, config_path: Path | None = None, run_dir: Path | None = None
) -> Prepared:
    """Checks all of a run but its folder, and encodes its examples; what leaks is found, and not refused.

    Raises:
        UserError: the dataset, its rows, the model or an option is not fit.
    """
    objective = OBJECTIVES.get(config.objective)(config)
    require_loss(objective)
    method = METHODS.get(config.method)(config)
    if config.quantize is not None:
        require_quantizable(config.method)
    require_trackers(config.track)
    folder = model_folder(config.model)
    require_trainable(config.model, folder, objective.auto_class)
    start = open_start(config, run_dir, folder, objective.auto_class)
    tokenizer = load_tokenizer(config.model, chat_template.on_a_day())
    require_embeddings(config.model, folder, tokenizer)
    data = load_examples(dataset, objective, tokenizer, config, length_limit(folder, config))
    _require_validation(config, data)
    _report_encoding(data)
    leaks = find_leaks(dataset, data.train, objective.form, config_path)
    if chat_template.date is None and asks_clock(tokenizer) and objective.form in _CHATS:
        notice(dated_notice(tokenizer, "the run"))
    used = used_options(tokenizer)
    if objective.form in _CHATS:
        used = used.model_copy(update={"kwargs": served_kwargs(tokenizer, thinks=_count(data, "num_thoughts") > 0)})
    return Prepared(dataset, objective, method, folder, data, used, leaks, start=start)


def checkpoint_scorer(prepared: Prepared, config: TrainConfig) -> CheckpointScorer | None:
    """Returns what scores checkpoints, where that is not the validation loss; made before the model is loaded, as it may not fit.

    Raises:
        UserError: the metric does not fit the objective or the rows, or nothing knows it.
    """
    if config.best in {LOSS, LAST}:
        return None
    if prepared.objective.reads == "values":
        cause = f"a model of the objective '{prepared.objective.name}' writes no answers that the metric '{config.best}' could measure"
        raise UserError(cause, f"best: {config.best}", "Leave it out: the validation loss chooses the checkpoint.")
    if isinstance(prepared.dataset, MixedDataset):
        cause = f"the metric '{config.best}' is measured on the rows of one dataset, and there are several"
        raise UserError(cause, f"best: {config.best}", "Leave it out: the validation loss over all of them chooses the checkpoint.")
    wanted = ScorerRequest(config.best, prepared.dataset.path, config.model, prepared.objective.form, prepared.chat_template)
    return find_scorer(wanted)


def length_limit(folder: Path, config: TrainConfig) -> int:
    """Returns the longest example in tokens: `max_length`, or what the model can take where that is less.

    Raises:
        UserError: the model's config cannot be read.
    """
    return min(config.max_length, position_limit(model_config(folder)) or config.max_length)


def _require_validation(config: TrainConfig, data: TrainingData) -> None:
    """Refuses to choose among checkpoints by what is not there to choose by.

    Raises:
        UserError: the options ask for it.
    """
    asks = [f"early_stopping: {config.early_stopping}"] if config.early_stopping is not None else []
    asks += [f"best: {config.best}"] if config.best not in {LOSS, LAST} else []
    if asks and not data.validation:
        cause = "there are no validation rows to choose a checkpoint by"
        raise UserError(cause, asks[0], "Build the dataset with a validation split, leave validation: true, or leave this option out.")
    if config.early_stopping is not None and config.best == LAST:
        raise UserError("early_stopping needs a best checkpoint, and best: last asks for none", "early_stopping", "Leave one of them out.")


def _chat_template(dataset: Dataset, run_dir: Path, finished: RunRecord | None, *, resume: bool) -> ChatTemplateConfig:
    """Returns how the dataset's config wants the chat template used; a run that is gone on with keeps its day."""
    options = dataset.manifest.chat_template
    if not resume or options.date is not None:
        return options
    return options.model_copy(update={"date": begun_day(run_dir) if finished is None else finished.chat_template.date})


def _count(data: TrainingData, what: str) -> int:
    return sum(getattr(one.encoded, what) for example in (*data.train, *data.validation) for one in example.sequences)


def _report_encoding(data: TrainingData) -> None:
    """Says what the chat template made of the rows, where that is not what one would expect."""
    if apart := _count(data, "num_apart"):
        notice(f"{apart} answers are encoded apart from their prompt, as at inference: a token would span the two.")
    if closed := _count(data, "num_closed"):
        notice(
            f"The chat template's prompt opens a thought, and {closed} answers have no 'reasoning': "
            "the thought's close is trained before them. ('chat_template: {reasoning: refuse}' stops instead.)"
        )


def _report_left_out(data: TrainingData) -> None:
    if data.too_long:
        notice(f"{len(data.too_long)} examples exceed the length limit and are left out; run.json lists them.")
    cut = sum(example.is_cut for example in (*data.train, *data.validation))
    if cut:
        notice(
            f"In {cut} examples the assistant speaks first, which the chat template does not take: that turn is left out, and not trained."
        )
    if data.other_form:
        notice(f"{len(data.other_form)} examples are not what the objective trains and are left out; run.json lists them.")
