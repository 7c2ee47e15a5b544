"""Which checkpoint a run keeps: the latest that is not worse, beyond the noise, than the best one so far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from loopwright.errors import UserError, did_you_mean
from loopwright.plugins import installed
from templates.chat import ChatTemplateConfig
from templates.form import Form
from train.config import LAST, LOSS
from train.data.examples import TrainingExample
from train.models.load import Model

CONFIDENCE = 0.95
_GROUP = "checkpoint_scorers"


@dataclass(frozen=True, slots=True)
class Measured:
    """A number with its 95 % interval.

    Attributes:
        value: the number.
        low: where the interval begins; None where so few rows have none.
        high: where it ends.
    """

    value: float
    low: float | None
    high: float | None


class CheckpointScorer(Protocol):
    """Scores a model on the validation split, at each validation of a run; made by a `ScorerSource`, before the model is loaded."""

    def scores(self, model: Model) -> list[Any]:
        """Lets the model, which is in evaluation mode, answer; returns what `compare` needs: plain JSON without corpus text."""

    def value(self, scores: list[Any]) -> Measured:
        """Returns the metric."""

    def gain(self, scores: list[Any], before: list[Any]) -> Measured:
        """Returns by how much some scores are better than earlier ones, above zero where they are, paired by row."""


@dataclass(frozen=True, slots=True)
class ScorerRequest:
    """What a scorer is asked for.

    Attributes:
        metric: the metric's name.
        dataset: the dataset's folder.
        model: the base model, as it is named.
        form: the form that is trained.
        chat_template: how the chat template is used.
        confidence: coverage of its intervals.
    """

    metric: str
    dataset: Path
    model: str
    form: Form
    chat_template: ChatTemplateConfig
    confidence: float = CONFIDENCE


class ScorerSource(Protocol):
    """What stands under the entry point group `loopwright.checkpoint_scorers`."""

    def known(self) -> list[str]:
        """Returns the metrics that it knows."""

    def make(self, request: ScorerRequest) -> CheckpointScorer:
        """Returns what scores by one of them.

        Raises:
            UserError: the metric does not fit the dataset.
        """


def find_scorer(request: ScorerRequest) -> CheckpointScorer:
    """Returns what scores checkpoints by a metric.

    Raises:
        UserError: there is nothing that knows the metric, or it does not fit the dataset.
    """
    known: list[str] = []
    for plugin in installed(_GROUP):
        source: ScorerSource = plugin.load()  # type: ignore[assignment]
        if request.metric in source.known():
            return source.make(request)
        known += source.known()
    raise UserError(f"unknown metric '{request.metric}'", "best", did_you_mean(request.metric, [LOSS, LAST, *known]))


@dataclass(frozen=True, slots=True)
class LossScorer:
    """The objective's loss on the validation split, paired by example.

    Attributes:
        examples: the validation split.
        confidence: coverage of its intervals.
    """

    examples: list[TrainingExample]
    confidence: float = CONFIDENCE

    def value(self, scores: Sequence[float]) -> Measured:
        """Returns the mean loss by the examples' normalizers; of `chat`, the mean loss per trained token (nats).

        Args:
            scores: each example's summed loss.
        """
        return self._ratio(np.asarray(scores, dtype=np.float64))

    def gain(self, scores: Sequence[float], before: Sequence[float]) -> Measured:
        """Returns by how much the loss has fallen."""
        return self._ratio(np.asarray(before, dtype=np.float64) - np.asarray(scores, dtype=np.float64))

    def _ratio(self, sums: "np.typing.NDArray[np.float64]") -> Measured:
        """Returns sum(sums) / sum(normalizers) with Student's interval, linearised (Cochran 1977, 6.4), by groups of rows."""
        from scipy.stats import t

        numbers: dict[str, int] = {}
        groups = np.array([numbers.setdefault(one.group, len(numbers)) for one in self.examples])
        weights = np.array([one.normalizer for one in self.examples])
        value = float(sums.sum() / weights.sum())
        if len(numbers) < 2:
            return Measured(value, None, None)
        residuals = np.bincount(groups, sums - value * weights)
        error = np.sqrt((residuals**2).sum() * len(numbers) / (len(numbers) - 1)) / weights.sum()
        spread = float(t.ppf(0.5 + self.confidence / 2, len(numbers) - 1) * error)
        return Measured(value, value - spread, value + spread)


def by_dataset(examples: Sequence[TrainingExample], losses: Sequence[float]) -> dict[str, float]:
    """Returns the mean loss over the examples of each dataset of a mixture; nothing where there is one dataset.

    Args:
        examples: the validation split.
        losses: each example's summed loss.
    """
    own: dict[str, list[int]] = {}
    for place, example in enumerate(examples):
        if example.dataset:
            own.setdefault(example.dataset, []).append(place)
    return {
        name: LossScorer([examples[one] for one in places]).value([losses[one] for one in places]).value for name, places in own.items()
    }


class Comparing(Protocol):
    """What both kinds of scorer compare by."""

    def value(self, scores: list[Any]) -> Measured:
        """Returns the number."""

    def gain(self, scores: list[Any], before: list[Any]) -> Measured:
        """Returns by how much it is better than before."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best checkpoint of a run so far.

    A later checkpoint takes its place unless it is worse than the best scores so far, beyond the noise. So a run whose validation loss
    stays level keeps its last checkpoint, and one that overfits the last before it did.

    Attributes:
        step: the checkpoint that would be kept.
        leader: the step with the best scores.
        scores: those scores.
        own: the scores of `step`.
        losses: the loss of each validation example at `step`, not divided by its normalizer.
        num_worse: how many validations in a row have been worse, up to now.
    """

    step: int
    leader: int
    scores: list[Any]
    own: list[Any]
    losses: list[float]
    num_worse: int = 0

    @classmethod
    def first(cls, step: int, scores: list[Any], losses: list[float]) -> "Best":
        """Returns the best of one validation."""
        return cls(step, step, scores, scores, losses)

    def after(self, step: int, scores: list[Any], losses: list[float], by: Comparing) -> "Best":
        """Returns the best after one more validation."""
        gain = by.gain(scores, self.scores)
        if gain.high is not None and gain.high < 0:
            return replace(self, num_worse=self.num_worse + 1)
        if gain.value >= 0:
            return Best.first(step, scores, losses)
        return Best(step, self.leader, self.scores, scores, losses)
