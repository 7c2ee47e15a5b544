"""mrr."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.retrieval.ranks import rank_of_answer


class Mrr(RowMetric):
    """Mean reciprocal rank (Voorhees 1999) of the first passage that has the reference word for word: 1 for the first, 1/2, 1/3 ...

    0 where none of the K passages has it. What counts as having it, and which examples count, is as for hit_at_k.
    """

    name = "mrr"
    tasks = frozenset({Task.GENERATION})
    reads = ("prediction.passages", "row.reference")
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1 / rank, in [0, 1]."""
        rank = rank_of_answer(row, prediction)
        return None if rank is None else (1 / rank if rank else 0.0)
