"""What a metric is: an `evaluate.Metric` made of per-row sufficient statistics, so that it can be resampled quickly and paired."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import evaluate
import numpy as np
import numpy.typing as npt
from datasets import Features, Value
from datasets import Sequence as ListOf

from evals.rows import Task
from loopwright.registry import Registry

Array = npt.NDArray[np.float64]
Reads = Literal["text", "distribution"]

_FEATURES: dict[Reads, Features] = {
    "text": Features({"predictions": Value("string"), "references": Value("string")}),
    "distribution": Features({"predictions": ListOf(Value("float64")), "references": Value("int64")}),
}


class RowMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate comes without types
    """A metric over examples. A mean of row scores needs `score` alone; others give `statistics` and `value`.

    As an `evaluate.Metric` it has `compute(predictions=..., references=...)` and joins `evaluate.combine`. It keeps its data in
    memory and touches neither network nor cache folder. (`bool(metric)` is False, as for every empty `evaluate.Metric`.)
    """

    name: ClassVar[str]
    tasks: ClassVar[frozenset[Task]]
    reads: ClassVar[Reads] = "text"  # "text": predicted and right text; "distribution": log-likelihoods and the right index
    higher_is_better: ClassVar[bool] = True
    is_proportion: ClassVar[bool] = False  # each row is right or wrong: Wilson's interval and McNemar's test apply
    has_row_score: ClassVar[bool] = True  # False where only a set of rows has a score

    def __init__(self, **options: Any) -> None:
        super().__init__(keep_in_memory=True, **options)

    def score(self, prediction: Any, reference: Any) -> float | None:
        """Returns one row's score; None where the metric says nothing about this row."""
        raise NotImplementedError

    def row_scores(self, predictions: Sequence[Any], references: Sequence[Any]) -> list[float | None]:
        """Returns the score of each row, for `predictions.parquet`; None where there is none."""
        if not self.has_row_score:
            return [None] * len(references)
        return [self.score(prediction, reference) for prediction, reference in zip(predictions, references, strict=True)]

    def statistics(self, predictions: Sequence[Any], references: Sequence[Any]) -> Array:
        """Returns `[N, K]` numbers that add up over rows; of a mean: the score and 1, or zeros where there is no score."""
        scores = self.row_scores(predictions, references)
        return np.array([(0.0, 0.0) if score is None else (score, 1.0) for score in scores], dtype=np.float64).reshape(len(scores), 2)

    def value(self, totals: Array) -> Array:
        """Returns the metric of summed statistics, `[..., K]` -> `[...]`; NaN where nothing was summed."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(totals[..., 0] / totals[..., 1])

    def _info(self) -> Any:
        return evaluate.MetricInfo(description=(self.__doc__ or ""), citation="", inputs_description="", features=_FEATURES[self.reads])

    def _build_data_dir(self) -> str:
        return ""  # evaluate makes a folder in the user's cache here, which a read-only home refuses

    def _compute(self, *, predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, float]:
        value = float(self.value(self.statistics(predictions, references).sum(axis=0)))
        return {self.name: value}


def one_hot(predictions: Sequence[str], references: Sequence[str]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Returns which class each row is predicted as, and which it is, both `[N, num_classes]`, the classes in sorted order."""
    classes = np.array(sorted({*predictions, *references}))
    return np.array(predictions)[:, None] == classes, np.array(references)[:, None] == classes


METRICS: Registry[RowMetric] = Registry("evals.metrics", RowMetric, key="name", kind="metric", plugins=("metrics",))

DEFAULT_METRICS: dict[Task, tuple[str, ...]] = {
    Task.CLASSIFICATION: ("accuracy", "macro_f1"),
    Task.GENERATION: ("rouge1", "rougeL", "fact_recall"),
}
