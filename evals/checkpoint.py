"""A metric on the validation split as `train run --best METRIC` asks for it: what scores checkpoints while they are made.

Found by the trainer under the entry point group `loopwright.checkpoint_scorers`, as it does not know this package.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evals.compare.measure import Clusters, Column, column_of, difference_of, number_clusters, values_of
from evals.config import EvalsConfig, scored_form
from evals.data.rows import EvalRow, Task, load_rows
from evals.metrics.base import METRICS, Metric
from evals.systems.base import EvalContext
from evals.systems.prompted import answer_with_model
from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from templates.form import Form
from train.engine.best import Measured, ScorerRequest
from train.inference.language_model import LanguageModel
from train.models.load import Model


@dataclass(slots=True)
class MetricScorer:
    """Lets the model in training answer the validation split as `evals run` would, and measures that by one metric.

    Attributes:
        request: what the run asks for.
        rows: the validation split's examples that the metric is about.
        train_rows: those of the train split, by which the longest answer is told.
        form: in which choices are scored.
        config: how answers are made and resampled, as `evals run` does.
        metric: the metric, fitted to the train split.
    """

    request: ScorerRequest
    rows: list[EvalRow]
    train_rows: list[EvalRow]
    form: Form
    config: EvalsConfig
    metric: Metric

    @classmethod
    def known(cls) -> list[str]:
        """Returns the names of all metrics."""
        return list(METRICS.entries)

    @classmethod
    def make(cls, request: ScorerRequest) -> "MetricScorer":
        """Prepares to score by a metric that is known.

        Raises:
            UserError: the metric says nothing about any example of the validation split, or nothing that its loss does not say.
        """
        dataset = Dataset.open(request.dataset)
        metric = METRICS.get(request.metric)
        if metric.higher_is_better is None:
            cause = f"the metric '{metric.name}' describes answers, and neither more nor less of it is better"
            raise UserError(cause, f"best: {metric.name}", "Name another metric, or validation_loss.")
        if "prediction.parts" in metric.reads:
            cause = f"the metric '{metric.name}' measures no answers that are made, but texts that are read, as the validation loss does"
            raise UserError(cause, f"best: {metric.name}", "Leave it out: the validation loss chooses the checkpoint.")
        form = scored_form(request.form)
        applies = metric().applies
        rows = [row for row in load_rows(dataset, "validation")[0] if applies(row) and _is_asked(row, form)]
        if not rows:
            cause = (
                f"the metric '{metric.name}' is about {' and '.join(sorted(metric.tasks))}, of which the validation split has no example"
            )
            raise UserError(cause, f"best: {metric.name}", "Name another metric, or validation_loss.")
        train_rows = load_rows(dataset, "train")[0]
        config = EvalsConfig(confidence=request.confidence)
        return cls(request, rows, train_rows, form, config, metric().fitted(train_rows))

    def scores(self, model: Model) -> list[Any]:
        """Returns the metric's statistics of each row, `[N, K]`."""
        language_model = LanguageModel.of_loaded(self.request.model, model, self.request.chat_template)
        name = self.request.metric
        metrics = {row.template: (name,) for row in self.rows}
        context = EvalContext(self.rows, self.train_rows, self.form, self.config, language_model, metrics=metrics)
        context.limit_answers()
        predictions = {one.id: one for one in answer_with_model(context, None, lambda _done: None)}
        column = column_of(self.metric, self.rows, metrics, predictions)
        assert column is not None, "there is a row that the metric is about"
        found: list[Any] = column.sums.tolist()
        return found

    def value(self, scores: list[Any]) -> Measured:
        """Returns the metric with its interval, by clusters of rows."""
        found = values_of([self._column(scores)], self._clusters, self.config)[0]
        return Measured(float("nan") if found.value is None else found.value, found.low, found.high)

    def gain(self, scores: list[Any], before: list[Any]) -> Measured:
        """Returns the paired difference with its interval, turned around for a metric of which less is better."""
        names = ("now", "before")
        found = difference_of(names, self._column(scores), self._column(before), self._clusters, self.config)
        if found.difference is None or found.low is None or found.high is None:
            return Measured(0.0, None, None)
        if self.metric.higher_is_better:
            return Measured(found.difference, found.low, found.high)
        return Measured(-found.difference, -found.high, -found.low)

    @property
    def _clusters(self) -> Clusters:
        return number_clusters(self.rows)

    def _column(self, scores: list[Any]) -> Column:
        sums = np.asarray(scores, dtype=np.float64)
        return Column(self.metric, sums, np.asarray(sums.any(axis=1)), [])


def _is_asked(row: EvalRow, form: Form) -> bool:
    """Whether the model can be asked an example in the form that is scored."""
    can_choose = bool(row.messages if form == Form.CHAT else row.prompt is not None)
    return row.task is Task.GENERATION or (row.task is Task.CLASSIFICATION and can_choose)
