"""rougeL."""

from evals.metric import RowMetric
from evals.rouge import rouge_f
from evals.rows import Task


class RougeL(RowMetric):
    """ROUGE-L F1 (Lin 2004): overlap of the longest common subsequence of words.

    Equal to the rouge-score package on English (no stemming), with a tokenizer that keeps other scripts.
    """

    name = "rougeL"
    tasks = frozenset({Task.GENERATION})

    def score(self, prediction: str, reference: str) -> float:
        """Returns the F1 between prediction and reference, in [0, 1]."""
        return rouge_f("rougeL", prediction, reference)
