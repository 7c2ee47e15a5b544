"""fact_precision."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.facts.supported import supported_facts


class FactPrecision(RowMetric):
    """Share of the answer's typed facts (codes, customers, money, dates, doses, numbers ...) that the source or the reference holds.

    Facts are compared by kind and normalised value, as for fact_recall. The source is all that the model was given, passages included. Mean
    over the examples whose answer holds a fact at all; the others have no score, so that an answer without facts is not rewarded for it.
    """

    name = "fact_precision"
    tasks = frozenset({Task.GENERATION})
    reads = ("prediction.text", "row.reference", "row.input_text")
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns the share that is supported, in [0, 1], or None where the answer holds no fact."""
        facts = supported_facts(row, prediction)
        return sum(is_supported for _, is_supported in facts) / len(facts) if facts else None
