"""rougeL."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.generation.rouge import rouge_f


class RougeL(RowMetric):
    """ROUGE-L F1 (Lin 2004): overlap of the longest common subsequence of words.

    Equal to the rouge-score package on English (no stemming), with a tokenizer that keeps other scripts.
    """

    name = "rougeL"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float:
        """Returns the F1 between prediction and reference, in [0, 1]."""
        return rouge_f("rougeL", prediction.answer, row.reference)
