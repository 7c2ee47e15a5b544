"""Runs of two steps on four of the user's rows and the small random model, through the very code of a whole run."""

import copy
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import torch

from loopwright.errors import UserError
from loopwright.hashing import hash_text
from prep.dataset.manifest import Dataset
from train.config import TrainConfig
from train.data.examples import TrainingData, TrainingExample, load_examples
from train.engine.loop import Trainer
from train.methods.base import METHODS
from train.models.load import Model, load_model
from train.objectives.base import OBJECTIVES
from train.proofs.small_model import write_small_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_NUM_TRAIN, _NUM_VALIDATION = 4, 1


def shortest(examples: list[TrainingExample]) -> list[TrainingExample]:
    """Returns the few examples that short runs train on."""
    return sorted(examples, key=lambda one: (one.num_tokens, one.id))[:_NUM_TRAIN]


class NoSmallModelError(Exception):
    """An architecture cannot be made small by what its config says; the message says why."""


@dataclass(frozen=True, slots=True)
class RunRows:
    """The rows of a run.

    Attributes:
        dataset: as they lie on disk.
        data: as they are trained.
        tokenizer: what encoded them.
    """

    dataset: Dataset
    data: TrainingData
    tokenizer: "PreTrainedTokenizerBase"


class FewRows(Dataset):
    """A dataset of which some rows alone are there. Of a mixture it is one dataset: short runs show options, and not how it is drawn."""

    whole: Dataset
    ids: frozenset[str]

    @classmethod
    def of(cls, dataset: Dataset, ids: list[str]) -> "FewRows":
        """Returns a dataset with the rows of these ids."""
        few = cls(dataset.path, dataset.manifest)
        object.__setattr__(few, "whole", dataset)
        object.__setattr__(few, "ids", frozenset(ids))
        return few

    def examples(self, split: str | None = None) -> pl.LazyFrame:
        """Returns those rows."""
        return self.whole.examples(split).filter(pl.col("id").is_in(list(self.ids)))


@dataclass(slots=True)
class ShortRuns:
    """Makes short runs.

    Attributes:
        folder: where the small model is.
        dataset: the few rows.
        tokenizer: the run's.
        auto_class: the class of transformers that loads the model.
        has_validation: there is a row of the validation split among them.
    """

    folder: Path
    dataset: FewRows
    tokenizer: "PreTrainedTokenizerBase"
    auto_class: str
    has_validation: bool
    _loaded: dict[str, Model] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def open(cls, rows: RunRows, base: Path, auto_class: str) -> "Iterator[ShortRuns]":
        """Writes the small model for the block, and chooses the shortest rows.

        Raises:
            NoSmallModelError: there is no small model of this architecture.
        """
        chosen = [example.id for example in shortest(rows.data.train)]
        held_out = rows.dataset.examples("validation").head(_NUM_VALIDATION).select("id").collect()["id"].to_list()
        num_threads = torch.get_num_threads()
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
            try:
                write_small_model(base, Path(folder), auto_class)
                model = load_model(folder, "float32", auto_class)
                model(input_ids=torch.tensor([[1, 2, 3]], device=model.device))
            except Exception as error:  # configs are as many as architectures
                told = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise NoSmallModelError(told.replace(folder, "small")) from error  # a folder that is gone says nothing
            torch.set_num_threads(1)  # a sum over several threads depends on their number
            try:
                yield cls(Path(folder), FewRows.of(rows.dataset, [*chosen, *held_out]), rows.tokenizer, auto_class, bool(held_out))
            finally:
                torch.set_num_threads(num_threads)

    def outcome(self, config: TrainConfig) -> str:
        """Returns a hash of all that two steps with some options come to: rows, micro-batches, loss, gradient and weights."""
        objective = OBJECTIVES.get(config.objective)(config)
        try:
            data = load_examples(self.dataset, objective, self.tokenizer, config, config.max_length)
            trainer = Trainer.begin(self._base(config), objective, METHODS.get(config.method)(config), data)
        except UserError as error:
            return f"refused: {error.cause}"
        steps = trainer.first_steps()
        rows = [[example.id for example in examples] for examples in (data.train, data.validation)]
        return hash_text(str(rows), str(data.too_long), str(steps), str(trainer.ledger.num_micro_batches))

    def a_linear_layer(self) -> str:
        """Returns what some linear layer of the model is called, its output head left out."""
        model: Any = load_model(str(self.folder), "float32", self.auto_class)
        head = model.get_output_embeddings()
        names = (name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and module is not head)
        return str(next(names).rpartition(".")[2])

    def _base(self, config: TrainConfig) -> Model:
        """Returns a fresh copy of the small model, on the CPU: elsewhere sums are not the same twice."""
        if config.dtype not in self._loaded:
            self._loaded[config.dtype] = load_model(str(self.folder), config.dtype, self.auto_class)
        loaded: Any = copy.deepcopy(self._loaded[config.dtype])
        moved: Model = loaded.to("cpu")
        return moved


def with_options(options: Mapping[str, Any], changes: Mapping[str, Any]) -> TrainConfig:
    """Returns options with some changed, where `section.option` names one of a section."""
    plain: dict[str, Any] = {}
    for name, value in {**options, **changes}.items():
        section, _, option = name.rpartition(".")
        (plain.setdefault(section, {}) if section else plain)[option] = value
    return TrainConfig.model_validate(plain)
