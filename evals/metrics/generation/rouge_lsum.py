"""rougeLsum."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.generation.rouge import rouge_f


class RougeLsum(RowMetric):
    """ROUGE-Lsum F1 (Lin 2004): each line of the reference against all lines of the answer, the words of their common subsequences united.

    Lines are sentences: the order in which they stand does not count. For a text of one line it is rougeL. Equal to the rouge-score package
    on English (no stemming, lines as they are), with a tokenizer that keeps other scripts.
    """

    name = "rougeLsum"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float:
        """Returns the F1 between prediction and reference, in [0, 1]."""
        return rouge_f("rougeLsum", prediction.answer, row.reference)
