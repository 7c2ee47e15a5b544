"""How well each stage's model does on the validation split of every stage: where a number rises again, something was forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loopwright.console import library_call
from train.config import TrainConfig
from train.data.examples import TrainingExample
from train.engine.passes import Passes
from train.methods.base import METHODS
from train.models.quantize import load_for_training
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
        passes = _passes(config, columns)
        if any(column.objective.needs_reference for column in columns):
            for number, folder in enumerate(weights):
                _take(passes[0], config, folder)
                for one, column in zip(passes, columns, strict=True):
                    if column.objective.needs_reference and column.reference == number:
                        one.ask_reference(column.examples)
            references = [one.reference for one in passes]
            passes = _passes(config, columns)  # on the base as it was: what is trained in place cannot be taken back
            for one, reference in zip(passes, references, strict=True):
                one.reference = reference
        for folder in weights:
            _take(passes[0], config, folder)
            found.append([one.row_losses(column.examples) for one, column in zip(passes, columns, strict=True)])
    return found


def _passes(config: TrainConfig, columns: Sequence[Column]) -> list[Passes]:
    """Loads the base and prepares it once; returns what measures each column on that one model."""
    first = columns[0].objective
    base = load_for_training(config.model, config.dtype, first.auto_class, config.quantize)
    begun = Passes.begin(base, first, METHODS.get(config.method)(config))  # once for all: it changes how the model computes
    return [replace(begun, objective=column.objective, config=column.config) for column in columns]


def _take(passes: Passes, config: TrainConfig, folder: Path | None) -> None:
    """Puts what a run saved in place."""
    if folder is not None:
        METHODS.get(config.method)(config).begin_from(passes.model, folder)
