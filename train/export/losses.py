"""What an export changes of the loss: the run's validation examples before and after, paired by example."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from train.data.examples import TrainingExample, load_validation
from train.engine.best import LossScorer
from train.engine.passes import Passes
from train.engine.reference import Reference
from train.engine.values import scorer_for
from train.export.source import Source
from train.methods.base import value_head
from train.models.load import Model
from train.prepare import length_limit
from train.runs.exported import Difference


@dataclass(frozen=True, slots=True)
class PairedLosses:
    """Two mean losses on the same examples.

    Attributes:
        num_examples: how many.
        before: of base and adapter, as trained.
        after: of the exported model.
        difference: after less before.
    """

    num_examples: int
    before: float
    after: float
    difference: Difference


@dataclass(slots=True)
class LossMeter:
    """Measures models on the validation examples of a run.

    Attributes:
        source: the run.
        examples: its validation split.
        reference: what the model that the run began with says, where the objective compares with that.
    """

    source: Source
    examples: list[TrainingExample]
    reference: Reference | None = None

    def ask_base(self, base: Model) -> None:
        """Asks the base what a loss is measured from, before anything changes it; does nothing where the objective asks for nothing."""
        if self.source.objective.needs_reference:
            with self._passes(base) as passes:
                passes.ask_reference(self.examples)
                self.reference = passes.reference

    def losses(self, model: Model) -> list[float]:
        """Returns the objective's loss of each example, not divided by what it counts for."""
        with self._passes(model) as passes:
            return passes.row_losses(self.examples)

    def compare(self, before: list[float], after: list[float]) -> PairedLosses:
        """Pairs the losses of two models."""
        by_loss = LossScorer(self.examples)
        fallen = by_loss.gain(before, after)
        difference = Difference(value=fallen.value, low=fallen.low, high=fallen.high)
        return PairedLosses(len(self.examples), by_loss.value(before).value, by_loss.value(after).value, difference)

    @contextmanager
    def _passes(self, model: Model) -> Iterator[Passes]:
        """Yields what computes losses as training does; afterwards the model has its own attention again."""
        objective = self.source.objective
        if objective.reads == "values":
            value_head(model).float()  # as it is trained
        model.eval()
        scorer = scorer_for(objective, model, exact=True)  # it is to measure what merging changes, and nothing else
        try:
            yield Passes(model, scorer, objective, self.source.config, self.reference)
        finally:
            scorer.restore_attention()


def find_examples(source: Source, dataset_dir: Path | None) -> LossMeter | str:
    """Returns what measures losses on a run's validation split, or why there is none.

    Args:
        source: the run.
        dataset_dir: the dataset that it was trained on; default: the one that `run.json` names, where that is still there.

    Raises:
        UserError: the dataset that is named is not the run's, or its rows cannot be read.
    """
    record = source.record
    try:
        dataset = Dataset.open(dataset_dir or Path(record.dataset))
    except UserError:
        if dataset_dir is not None:
            raise
        return f"the dataset of the run is no longer at {record.dataset}: name it with --dataset"
    if dataset.manifest.key != record.dataset_key:
        cause = "the run was trained on another dataset, or on another build of it"
        if dataset_dir is not None:
            raise UserError(cause, str(dataset_dir), "Name the one that the run was trained on, or leave --dataset out.")
        return f"at {record.dataset} there is another build of the dataset now: name the run's with --dataset"
    tokenizer = load_tokenizer(source.model, record.chat_template.on_a_day())
    limit = length_limit(source.base, source.config)
    examples = load_validation(dataset, source.objective, tokenizer, source.config, limit)
    return LossMeter(source, examples) if examples else "the dataset has no validation examples for this run"
