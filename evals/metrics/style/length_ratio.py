"""length_ratio."""

import math
from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, Metric
from evals.metrics.words import script_words


class LengthRatio(Metric):
    """Words of all answers over words of all references: 1 where they are as long as they should be, 2 where twice as long.

    It describes answers. In scripts without spaces between words, characters count. There is no per-row score.
    """

    name = "length_ratio"
    tasks = frozenset({Task.GENERATION})
    higher_is_better = None
    value_range = (0.0, math.inf)

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 2]`: words of the answer and of the reference."""
        pairs = zip(rows, predictions, strict=True)
        lengths = [(len(script_words(prediction.answer)), len(script_words(row.reference))) for row, prediction in pairs]
        return np.array(lengths, dtype=np.float64).reshape(len(rows), 2)

    @override
    def value(self, totals: Array) -> Array:
        """Returns the ratio; NaN where the references have no word."""
        said, wanted = totals[..., 0], totals[..., 1]
        return np.where(wanted > 0, said / np.where(wanted > 0, wanted, 1.0), np.nan)
