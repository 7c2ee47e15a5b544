"""unpaired_auc."""

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from evals.data.prediction import UNWANTED, WANTED, Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, Metric

# Of so many answers each has a bin of its own; of more, those that are side by side in the order are taken for ties.
_NUM_BINS = 256


class UnpairedAuc(Metric):
    """Share of pairs of a wanted and an unwanted answer that are in the right order: the area under the ROC curve; chance is one half.

    Ties count half (Hanley and McNeil, 1982). Answers are ordered by what the system ranks them by: the implicit reward of `dpo` and `kto`,
    a reward model's score, else the mean log-likelihood of a token, as they answer unlike prompts. Of more than 256 answers, neighbours in
    that order are ties. There is no score of a row.
    """

    name = "unpaired_auc"
    tasks = frozenset({Task.UNPAIRED})
    value_range = (0.0, 1.0)
    reads = ("prediction.parts",)

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 2 * bins]`: in which bin of the order, from the lowest score on, a wanted answer is, and an unwanted one."""
        scored = [
            (place, part.score, 0 if part.name == WANTED else 1)
            for place, prediction in enumerate(predictions)
            for part in prediction.parts or ()
            if part.score is not None and part.name in {WANTED, UNWANTED}
        ]
        scores = np.array([score for _, score, _ in scored], dtype=np.float64)
        # By rank and not by value: the bins of two seeds of a run are the same then, and what they hold can be averaged.
        bins = np.searchsorted(np.sort(scores), scores, side="left") * _NUM_BINS // max(len(scores), 1)
        found = np.zeros((len(predictions), 2, _NUM_BINS))
        for (place, _, side), one in zip(scored, bins, strict=True):
            found[place, side, one] += 1
        return found.reshape(len(predictions), -1)

    @override
    def value(self, totals: Array) -> Array:
        """Returns the share; NaN where there are no answers of one kind."""
        wanted, unwanted = np.split(totals, 2, axis=-1)
        below = unwanted.cumsum(axis=-1) - unwanted / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((wanted * below).sum(axis=-1) / (wanted.sum(axis=-1) * unwanted.sum(axis=-1)))
