"""`validation.json`: what the weights that a run saved say of each validation example, so that runs can be compared in pairs."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loopwright.errors import UserError
from loopwright.files import read_json, write_json
from train.data.examples import TrainingExample
from train.engine.best import Best, LossScorer
from train.runs.folder import VALIDATION_NAME


@dataclass(frozen=True, slots=True)
class ValidationScores:
    """The scores of one run's saved weights.

    Attributes:
        step: the step whose weights they are.
        best: what checkpoints were chosen by.
        ids: of the validation examples, in the dataset's order.
        groups: what holds examples that are no independent evidence together.
        weights: what each counts for in the mean loss.
        losses: the loss of each, not divided by its weight.
        scores: what the scorer of `best` took of each; the losses where that is none.
    """

    step: int
    best: str
    ids: list[str]
    groups: list[str]
    weights: list[float]
    losses: list[float]
    scores: list[Any]

    @classmethod
    def of(cls, best: Best, examples: list[TrainingExample], chosen_by: str) -> "ValidationScores":
        """Takes them from a run that is done."""
        ids, groups, weights = ([getattr(one, name) for one in examples] for name in ("id", "group", "normalizer"))
        return cls(best.step, chosen_by, ids, groups, weights, best.losses, best.own)

    def save(self, run_dir: Path) -> None:
        """Writes the file.

        Raises:
            UserError: it cannot be written.
        """
        write_json(run_dir / VALIDATION_NAME, asdict(self))

    @classmethod
    def load(cls, run_dir: Path) -> "ValidationScores":
        """Reads the file.

        Raises:
            UserError: it is not there, or damaged.
        """
        path = run_dir / VALIDATION_NAME
        try:
            return cls(**read_json(path))
        except TypeError as error:
            raise UserError("validation.json is damaged or of another version", str(path), "Train again with --overwrite.") from error

    def by_loss(self) -> LossScorer:
        """Returns what compares losses on these examples."""
        examples = [
            TrainingExample(one, one, "", (), weight, group) for one, group, weight in zip(self.ids, self.groups, self.weights, strict=True)
        ]
        return LossScorer(examples)
