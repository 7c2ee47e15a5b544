"""hallucination."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.facts.supported import supported_facts


class Hallucination(RowMetric):
    """Share of answers with a typed fact (a code, customer, amount, date, dose, number ...) that neither source nor reference holds.

    Facts are compared by kind and normalised value, as for fact_recall. Only facts that can be typed are seen: an invented claim in plain
    words is not. An answer without facts has none that is invented: read it beside fact_recall.
    """

    name = "hallucination"
    tasks = frozenset({Task.GENERATION})
    reads = ("prediction.text", "row.reference", "row.input_text")
    higher_is_better = False
    is_proportion = True
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float:
        """Returns 1 where a fact of the answer is in neither."""
        return float(not all(is_supported for _, is_supported in supported_facts(row, prediction)))
