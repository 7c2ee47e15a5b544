"""distinct_2."""

from itertools import pairwise

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.words import script_words


class Distinct2(RowMetric):
    """Share of an answer's pairs of neighbouring words that are different ones (distinct-2, Li et al. 2016), within each answer.

    1 where no pair comes twice; low where an answer goes round in circles. Li et al. count over all answers together, which falls with
    their number and is not to be resampled; the mean of each answer's own share does neither. An answer of one word or none has no score.
    """

    name = "distinct_2"
    tasks = frozenset({Task.GENERATION})
    reads = ("prediction.text",)
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns different pairs over all pairs, above 0 and up to 1; None where there is no pair."""
        pairs = list(pairwise(script_words(prediction.answer)))
        return len(set(pairs)) / len(pairs) if pairs else None
