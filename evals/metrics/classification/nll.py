"""nll."""

import math

import numpy as np
from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric


class Nll(RowMetric):
    """Mean negative log-probability of the right choice, in nats, the choices' likelihoods normalised to add up to 1.

    Lower is better; ln(number of choices) is what guessing evenly gives. A confident mistake costs without bound, which accuracy hides.
    """

    name = "nll"
    tasks = frozenset({Task.CLASSIFICATION})
    reads = ("prediction.loglikelihoods", "row.label")
    higher_is_better = False
    value_range = (0.0, math.inf)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns -ln p(right choice) in nats, or None where the likelihoods are no numbers."""
        scores = np.asarray(prediction.loglikelihoods, dtype=np.float64)
        total = float(np.logaddexp.reduce(scores))
        nll = total - float(scores[row.label])
        return nll if math.isfinite(nll) else None
