"""What a metric is: plain numpy over rows and their predictions, by sums over rows, so that it can be resampled quickly and paired."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from operator import attrgetter
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from loopwright.registry import Registry

Array = npt.NDArray[np.float64]


class Metric(ABC):
    """A metric over examples: statistics that add up over rows, and a value of their sums.

    Who needs a metric makes it, `METRICS.get(name)()`: it takes no arguments and keeps nothing between calls. It is given whole rows and
    whole predictions, so that it may look at an input, a group or the time that an answer took. `evals.metrics.as_evaluate` makes an
    `evaluate.Metric` of it.

    Attributes:
        name: its id, in configs and reports. Frozen.
        tasks: the tasks whose examples it is about.
        reads: what of `row` and `prediction` it looks at. An example counts only where all of it is there, that is, not None.
        higher_is_better: whether more is better; None where a value describes answers and neither end is better: no verdict comes of it.
        value_range: the lowest and the highest value that there can be, infinite where there is no end; None: not said.
        is_proportion: each row is right or wrong: Wilson's interval and McNemar's test apply.
        is_biased: the value leans to one side where rows are few, and a resample's once more: the interval takes that off.
    """

    name: ClassVar[str]
    tasks: ClassVar[frozenset[Task]]
    reads: ClassVar[tuple[str, ...]] = ("prediction.text", "row.reference")
    higher_is_better: ClassVar[bool | None] = True
    value_range: ClassVar[tuple[float, float] | None] = None
    is_proportion: ClassVar[bool] = False
    is_biased: ClassVar[bool] = False

    @abstractmethod
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, K]` numbers that add up over rows."""

    @abstractmethod
    def value(self, totals: Array) -> Array:
        """Returns the metric of summed statistics, `[..., K]` -> `[...]`; NaN where nothing was summed."""

    def row_scores(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> list[float | None]:
        """Returns the score of each row, for `predictions.parquet`; None where there is none."""
        return [None for _ in zip(rows, predictions, strict=True)]

    def fitted(self, train_rows: Sequence[EvalRow]) -> "Metric":  # noqa: ARG002
        """Returns the metric as one evaluation uses it: one that has to know the train split, such as its voice, is another object then.

        A metric that was not fitted measures all the same, by the rows that it is given.
        """
        return self

    @classmethod  # noqa: B027  # most need nothing more
    def require_ready(cls) -> None:
        """Makes sure that it can measure, before a model is loaded for it.

        Raises:
            UserError: a package that it needs is not installed.
        """

    def note(self, rows: Sequence[EvalRow]) -> str | None:  # noqa: ARG002
        """Returns what a person has to know to read the value for these rows, for the report's notes; None: its description says it."""
        return None

    @classmethod
    def is_gain(cls, difference: float) -> bool | None:
        """Says whether a change of the value is one for the better; None where neither direction is."""
        return None if cls.higher_is_better is None else (difference > 0) == cls.higher_is_better

    def applies(self, row: EvalRow) -> bool:
        """Says whether an example is of the metric's kind: of one of its tasks, and answered in words unless it is calls that it reads."""
        return row.task in self.tasks and ("row.calls" in self.reads or not row.calls)

    def counts(self, row: EvalRow, prediction: Prediction) -> bool:
        """Says whether an example has all that the metric reads, and the prediction is one that is scored."""
        sides = {"row": row, "prediction": prediction}
        paths = (path.partition(".") for path in self.reads)
        return prediction.state.is_scored and all(attrgetter(attribute)(sides[side]) is not None for side, _, attribute in paths)


class RowMetric(Metric):
    """The mean of a score of each row. It needs `name`, `tasks` and `score`, and `reads` where that is not text and reference."""

    @abstractmethod
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns one row's score; None where the metric says nothing about this row."""

    @override
    def row_scores(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> list[float | None]:
        return [self.score(row, prediction) for row, prediction in zip(rows, predictions, strict=True)]

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 2]`: the score and 1, or zeros where there is no score."""
        scores = self.row_scores(rows, predictions)
        return np.array([(0.0, 0.0) if score is None else (score, 1.0) for score in scores], dtype=np.float64).reshape(len(scores), 2)

    @override
    def value(self, totals: Array) -> Array:
        """Returns the mean."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(totals[..., 0] / totals[..., 1])


class RatioMetric(RowMetric):
    """A sum over a sum, such as nats over tokens: of all rows together, so that a long row counts for more. It needs `ratio`."""

    @abstractmethod
    def ratio(self, row: EvalRow, prediction: Prediction) -> tuple[float, float] | None:
        """Returns what one row adds to the two sums, the second above zero; None where the metric says nothing about this row."""

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns the ratio of one row alone."""
        found = self.ratio(row, prediction)
        return None if found is None else found[0] / found[1]

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 2]`: what is above and what is below the line, or zeros where there is nothing."""
        found = [self.ratio(row, prediction) or (0.0, 0.0) for row, prediction in zip(rows, predictions, strict=True)]
        return np.array(found, dtype=np.float64).reshape(len(found), 2)


def one_hot(rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Returns which class each row is predicted as, and which it is, both `[N, num_classes]`, the classes in sorted order.

    The choices of the rows are classes too: so two systems, or two seeds of a run, have the same columns whatever they predict.
    """
    predicted = [prediction.answer for prediction in predictions]
    references = [row.reference for row in rows]
    classes = np.array(sorted({*predicted, *references, *(choice for row in rows for choice in row.choices or ())}))
    return np.array(predicted)[:, None] == classes, np.array(references)[:, None] == classes


METRICS: Registry[Metric] = Registry("evals.metrics", Metric, key="name", kind="metric", plugins=("metrics",))

DEFAULT_METRICS: dict[Task, tuple[str, ...]] = {
    Task.CLASSIFICATION: ("accuracy", "macro_f1"),
    Task.GENERATION: ("rouge1", "rougeL", "fact_recall"),
    Task.TEXT: ("text_nll", "bits_per_byte"),
    Task.PREFERENCE: ("preference_accuracy", "preference_margin"),
    Task.UNPAIRED: ("unpaired_auc", "unpaired_margin"),
}
CALL_METRICS = ("tool_call_match", "tool_name", "tool_arguments", "tool_schema_valid")
"""Of answers that call tools: what other metrics compare is words."""
JSON_METRICS = ("json_f1", "json_valid")
"""Of written answers that are JSON, where their template names no metric."""
LABEL_METRICS = ("exact_match",)
"""Of written answers that are labels, where their template names no metric: half the words of a label are another label."""
ANSWER_METRICS = ("answer_nll",)
"""Of every chat, behind the metrics of its written answer, where no config names metrics: a pass over its answers costs little beside
writing one."""
REWARD_METRICS = ("reward_margin",)
"""Of pairs that a reward model ranks, behind the others."""
