"""chrf."""

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, Metric
from evals.metrics.generation.sacrebleu_statistics import counts_of, scorer, signatures

_ORDERS = 6 + 2
_BETA = 2.0


class Chrf(Metric):
    """chrF++ (Popović 2017) of all answers together, by sacrebleu (Post 2018): F2 of runs of 1 to 6 characters and of 1 and 2 words.

    From 0 to 100; recall counts twice as much as precision. It needs no tokenizer, so that it serves every script. The report's notes
    have sacrebleu's signature. An example with an empty reference does not count. There is no per-row score.
    """

    name = "chrf"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, 100.0)

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 24]`: for each order the runs of the answer, those of the reference, and those in common."""
        return counts_of("chrf", rows, predictions, 3 * _ORDERS)

    @override
    def value(self, totals: Array) -> Array:
        """Returns the score of summed counts, as sacrebleu works it out: F2 of mean precision and recall over the orders that both have."""
        counts = totals.reshape(*totals.shape[:-1], _ORDERS, 3)
        said, wanted, common = counts[..., 0], counts[..., 1], counts[..., 2]
        both = (said > 0) & (wanted > 0)
        num_orders = np.maximum(both.sum(axis=-1), 1)
        precision = np.where(both, common / np.where(both, said, 1.0), 0.0).sum(axis=-1) / num_orders
        recall = np.where(both, common / np.where(both, wanted, 1.0), 0.0).sum(axis=-1) / num_orders
        weighed = _BETA**2 * precision + recall
        score = 100 * (1 + _BETA**2) * precision * recall / np.where(weighed > 0, weighed, 1.0)
        return np.where(totals.any(axis=-1), score, np.nan)

    @override
    def note(self, rows: Sequence[EvalRow]) -> str | None:
        """Returns sacrebleu's signature."""
        found = signatures("chrf", rows)
        return None if found is None else f"chrf: {found}"

    @classmethod
    @override
    def require_ready(cls) -> None:
        """Makes sure that sacrebleu is installed."""
        scorer("chrf", "none")
