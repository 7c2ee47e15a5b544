"""json_f1."""

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from evals.data.json_answers import JsonState, fields_of, is_json, read_json
from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, RowMetric


class JsonF1(RowMetric):
    """Field-level F1 of JSON answers = 2 TP / (2 TP + FP + FN) over the fields of all examples (as Kim et al., 2022, count it).

    A field is the path to a value that holds no other, with that value; 1 and 1.0 are equal, texts are equal character for character. The
    place in a list is no part of a path: lists are multisets, and which values stand together in one object of a list is not looked at.
    An answer that is no JSON has no fields. Examples whose reference is no JSON object or list do not count.
    """

    name = "json_f1"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns the F1 of one answer, in [0, 1]; None where no JSON is expected."""
        right, given, expected = _counts(row, prediction)
        return 2 * right / (given + expected) if expected else None

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 3]`: fields that are right, that are given, and that are expected."""
        counts = [_counts(row, prediction) for row, prediction in zip(rows, predictions, strict=True)]
        return np.array(counts, dtype=np.float64).reshape(len(counts), 3)

    @override
    def value(self, totals: Array) -> Array:
        """Returns the F1 over all fields."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(2 * totals[..., 0] / (totals[..., 1] + totals[..., 2]))


def _counts(row: EvalRow, prediction: Prediction) -> tuple[int, int, int]:
    if not is_json(row.reference):
        return 0, 0, 0
    expected = fields_of(read_json(row.reference)[1])
    state, value = read_json(prediction.answer)
    given = fields_of(value) if state is not JsonState.INVALID else type(expected)()
    return (expected & given).total(), given.total(), expected.total()
