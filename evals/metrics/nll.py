"""nll."""

import math
from collections.abc import Sequence

import numpy as np

from evals.metric import RowMetric
from evals.rows import Task


class Nll(RowMetric):
    """Mean negative log-probability of the right choice, in nats, the choices' likelihoods normalised to add up to 1.

    Lower is better; ln(number of choices) is what guessing evenly gives. A confident mistake costs without bound, which accuracy hides.
    """

    name = "nll"
    tasks = frozenset({Task.CLASSIFICATION})
    reads = "distribution"
    higher_is_better = False

    def score(self, prediction: Sequence[float], reference: int) -> float | None:
        """Returns -ln p(right choice) in nats, or None where the likelihoods are no numbers."""
        scores = np.asarray(prediction, dtype=np.float64)
        total = float(np.logaddexp.reduce(scores))
        nll = total - float(scores[reference])
        return nll if math.isfinite(nll) else None
