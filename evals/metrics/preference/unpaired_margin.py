"""unpaired_margin."""

import math
from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from evals.data.prediction import UNWANTED, WANTED, Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, Metric


class UnpairedMargin(Metric):
    """Mean log-likelihood of the answers that are wanted minus that of those that are not, in nats.

    By itself it says little, as it depends on how long the answers are. The difference of two systems does not: of a run and the model
    that it began with it is by how much more the implicit reward of wanted answers is (Ethayarajh et al., 2024). There is no
    score of a row, and of a reward model there is none at all.
    """

    name = "unpaired_margin"
    tasks = frozenset({Task.UNPAIRED})
    value_range = (-math.inf, math.inf)
    reads = ("prediction.parts",)

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 4]`: nats and number of the wanted answers, nats and number of the others."""
        found = np.zeros((len(predictions), 4))
        for place, prediction in enumerate(predictions):
            for part in prediction.parts or ():
                if part.loglikelihood is not None and part.name in {WANTED, UNWANTED}:
                    start = 0 if part.name == WANTED else 2
                    found[place, start : start + 2] += (part.loglikelihood, 1.0)
        return found

    @override
    def value(self, totals: Array) -> Array:
        """Returns the difference of the two means; NaN where either has no answer."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(totals[..., 0] / totals[..., 1] - totals[..., 2] / totals[..., 3])
