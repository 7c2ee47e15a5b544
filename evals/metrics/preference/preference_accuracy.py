"""preference_accuracy."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.preference.sides import share_ahead, sides_of


class PreferenceAccuracy(RowMetric):
    """Share of pairs whose preferred answer is ahead by what the system ranks answers by; ties count half, and chance is one half.

    A run ranks by what its loss compares: of `dpo` and `kto` the implicit reward, log p(answer) - log p_reference(answer) (Rafailov et al.,
    2023, section 4), of `simpo` and `orpo` the mean log-likelihood of a token, of a reward model its score. Any other model ranks by the
    answer's log-likelihood.
    """

    name = "preference_accuracy"
    tasks = frozenset({Task.PREFERENCE})
    value_range = (0.0, 1.0)
    reads = ("prediction.parts",)
    is_proportion = True

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1, 0 or one half."""
        sides = sides_of(prediction)
        return None if sides is None else share_ahead(sides[0].score, sides[1].score)
