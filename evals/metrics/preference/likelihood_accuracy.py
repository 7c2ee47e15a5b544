"""likelihood_accuracy."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.preference.sides import share_ahead, sides_of


class LikelihoodAccuracy(RowMetric):
    """Share of pairs whose preferred answer is likelier, whatever the system was trained by; ties count half, and chance is one half.

    What a model would rather write is not what its implicit reward prefers: DPO moves likelihoods without turning many pairs around (Chen
    et al., 2024, "Preference Learning Algorithms Do Not Learn Preference Rankings"). The sum over tokens favours short answers. A reward
    model has none.
    """

    name = "likelihood_accuracy"
    tasks = frozenset({Task.PREFERENCE})
    value_range = (0.0, 1.0)
    reads = ("prediction.parts",)
    is_proportion = True

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1, 0 or one half."""
        sides = sides_of(prediction)
        return None if sides is None else share_ahead(sides[0].loglikelihood, sides[1].loglikelihood)
