"""fact_recall."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.facts.wanted import wanted_facts
from prep.text.facts import FactIndex


class FactRecall(RowMetric):
    """Share of the reference's typed facts (codes, customers, money, dates, doses, numbers ...) that the prediction holds.

    Facts are compared by kind and normalised value, so that `$1,200.00` and `1200 dollars` agree. A plain number counts where it is
    written in digits ("one of them" is no fact). Mean over the examples whose reference holds a fact at all; the others have no score.
    """

    name = "fact_recall"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns the share that is kept, in [0, 1], or None where the reference holds no fact."""
        wanted = wanted_facts(row.reference)
        if not wanted:
            return None
        index = FactIndex(prediction.answer)
        return sum(index.holds(fact) for fact in wanted) / len(wanted)
