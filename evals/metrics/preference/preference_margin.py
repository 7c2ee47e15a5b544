"""preference_margin."""

import math

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.preference.sides import sides_of


class PreferenceMargin(RowMetric):
    """Mean of log p(preferred answer) - log p(other answer), in nats.

    By itself it says little, as it depends on how long the answers are. The difference of two systems does not: of a run and the model
    that it began with it is the mean margin of the implicit reward (Rafailov et al., 2023, section 4). A reward model has none.
    """

    name = "preference_margin"
    tasks = frozenset({Task.PREFERENCE})
    value_range = (-math.inf, math.inf)
    reads = ("prediction.parts",)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns the difference of one pair in nats."""
        sides = sides_of(prediction)
        if sides is None or sides[0].loglikelihood is None or sides[1].loglikelihood is None:
            return None
        return sides[0].loglikelihood - sides[1].loglikelihood
