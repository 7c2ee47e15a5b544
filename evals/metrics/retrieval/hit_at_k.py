"""hit_at_k."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.retrieval.ranks import rank_of_answer


class HitAtK(RowMetric):
    """Share of examples of which one of the K passages that were looked up has the reference word for word (hit@k).

    K is the number in the system's name (rag:K); case, punctuation and white space do not count. An example whose reference stands in no
    passage of the whole corpus is a miss, too: the system's note says how many there are, which no search can find. Systems that look
    nothing up have no score, nor do references without a word.
    """

    name = "hit_at_k"
    tasks = frozenset({Task.GENERATION})
    reads = ("prediction.passages", "row.reference")
    is_proportion = True
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1 where a passage has the reference."""
        rank = rank_of_answer(row, prediction)
        return None if rank is None else float(rank > 0)
