"""How well each stage's model does on the validation split of every stage: where a number rises again, something was forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from loopwright.console import library_call
from train.config import TrainConfig
from train.data.examples import TrainingData, TrainingExample
from train.engine.checkpoint import RunProgress
from train.engine.loop import Trainer
from train.engine.values import scorer_for
from train.ledger.ledger import Ledger
from train.methods.base import METHODS, begin_value_head
from train.models.load import load_model
from train.models.quantize import load_in_4_bits
from train.objectives.base import Objective


@dataclass(frozen=True, slots=True)
class Column:
    """What models are measured on.

    Attributes:
        objective: whose loss it is.
        config: the options of the stage that it is of.
        examples: the validation split.
        reference: which of the models the loss compares with, where it compares: the one that the stage began with.
    """

    objective: Objective
    config: TrainConfig
    examples: list[TrainingExample]
    reference: int


def measure(config: TrainConfig, columns: Sequence[Column], weights: Sequence[Path | None]) -> list[list[list[float]]]:
    """Returns the loss of each example, not divided by its normalizer: by model, column and example.

    Args:
        config: the options that all stages share: base, method, precision.
        columns: what is measured on, by objectives that all train the same kind of model.
        weights: of each model, the folder of the run that saved it; None, which may come first alone: as the method begins.
    """
    found: list[list[list[float]]] = []
    with library_call():  # what a run says of itself is not said again of each number
        trainers = _trainers(config, columns)
        if any(column.objective.needs_reference for column in columns):
            for number, folder in enumerate(weights):
                _take(trainers[0], config, folder)
                for trainer, column in zip(trainers, columns, strict=True):
                    if column.objective.needs_reference and column.reference == number:
                        trainer.take_reference(column.examples)
            references = [trainer.reference for trainer in trainers]
            trainers = _trainers(config, columns)  # on the base as it was: what is trained in place cannot be taken back
            for trainer, reference in zip(trainers, references, strict=True):
                trainer.reference = reference
        for folder in weights:
            _take(trainers[0], config, folder)
            found.append([trainer.row_losses(trainer.data.validation) for trainer in trainers])
    return found


def _trainers(config: TrainConfig, columns: Sequence[Column]) -> list[Trainer]:
    """Loads the base and prepares it once; returns what measures each column on that one model."""
    first = columns[0].objective
    load = load_model if config.quantize is None else load_in_4_bits
    torch.manual_seed(config.seed)
    model = METHODS.get(config.method)(config).fresh(load(config.model, config.dtype, first.auto_class))
    if first.reads == "values":
        begin_value_head(model)
    scorer = scorer_for(first, model)  # of all: choosing it changes how the model computes
    return [
        Trainer(
            model,
            scorer,
            column.objective,
            column.config,
            TrainingData([], column.examples, [], [], None),
            Ledger(),
            RunProgress(),
        )
        for column in columns
    ]


def _take(trainer: Trainer, config: TrainConfig, folder: Path | None) -> None:
    """Puts what a run saved in place."""
    if folder is not None:
        METHODS.get(config.method)(config).begin_from(trainer.model, folder)
