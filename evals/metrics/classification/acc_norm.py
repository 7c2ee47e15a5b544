"""acc_norm."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.classification.lengths import is_best_for_its_length


class AccNorm(RowMetric):
    """Share of examples whose right choice has the highest log-likelihood over its number of characters.

    A long choice has more tokens to be unlikely in: where choices differ in length, accuracy favours the short ones, and this takes that
    off. Where the two disagree much, the choices' lengths decide answers. As lm-evaluation-harness defines it; a row whose choices are
    said by several words each has no value.
    """

    name = "acc_norm"
    tasks = frozenset({Task.CLASSIFICATION})
    reads = ("prediction.loglikelihoods", "row.label")
    is_proportion = True
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1 where the right choice is the best for its characters."""
        found = is_best_for_its_length(row, prediction, len)
        return None if found is None else float(found)
