"""brier."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.calibration.probabilities import choice_probabilities


class Brier(RowMetric):
    """Brier score (Brier 1950): mean over examples of the squared error of the choices' probabilities, added up over the choices.

    0 for a sure and right answer, 2 for a sure and wrong one; with two choices, half of it is the Brier score of one probability. A proper
    score: it is lowest for honest probabilities, and punishes confident mistakes, though not without bound as nll does.
    """

    name = "brier"
    tasks = frozenset({Task.CLASSIFICATION})
    reads = ("prediction.loglikelihoods", "row.label")
    higher_is_better = False
    value_range = (0.0, 2.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns the squared error in [0, 2], or None where the likelihoods are no numbers."""
        probabilities = choice_probabilities(prediction)
        if probabilities is None or row.label is None:
            return None
        probabilities[row.label] -= 1.0
        return float((probabilities**2).sum())
