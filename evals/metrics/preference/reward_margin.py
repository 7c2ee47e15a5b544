"""reward_margin."""

import math

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.preference.sides import sides_of


class RewardMargin(RowMetric):
    """Mean by which a reward model's score of the preferred answer is higher, in nats.

    The odds that the preferred answer wins are e to this power (Bradley and Terry, 1952). Systems that are no reward models have none.
    """

    name = "reward_margin"
    tasks = frozenset({Task.PREFERENCE})
    value_range = (-math.inf, math.inf)
    reads = ("prediction.parts",)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns the difference of one pair."""
        sides = sides_of(prediction)
        if sides is None or any(side.loglikelihood is not None or side.score is None for side in sides):
            return None
        return (sides[0].score or 0.0) - (sides[1].score or 0.0)
