"""exact_match."""

from evals.metric import RowMetric
from evals.rows import Task


class ExactMatch(RowMetric):
    """Share of examples whose text equals the reference, character for character: nothing is stripped or folded."""

    name = "exact_match"
    tasks = frozenset({Task.CLASSIFICATION, Task.GENERATION})
    is_proportion = True

    def score(self, prediction: str, reference: str) -> float:
        """Returns 1 where the two texts are the same."""
        return float(prediction == reference)
