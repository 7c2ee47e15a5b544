"""bleu."""

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import Array, Metric
from evals.metrics.generation.sacrebleu_statistics import counts_of, scorer, signatures

_ORDER = 4


class Bleu(Metric):
    """BLEU (Papineni et al. 2002) of all answers together, by sacrebleu (Post 2018): precision of runs of 1 to 4 words, brevity punished.

    From 0 to 100, case counts, an order without a match is smoothed (`exp`). Chinese references are tokenized by sacrebleu's `zh`, others
    without spaces between words by character, all else by `13a`; the report's notes have the signature. An example with an empty
    reference does not count. There is no per-row score: BLEU is made for corpora.
    """

    name = "bleu"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, 100.0)

    @override
    def statistics(self, rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> Array:
        """Returns `[N, 10]`: words of the answer and of the reference, matching runs of each order, all runs of each order."""
        return counts_of("bleu", rows, predictions, 2 + 2 * _ORDER)

    @override
    def value(self, totals: Array) -> Array:
        """Returns the score of summed counts, as sacrebleu works it out: 0 without any match, NaN without a reference."""
        said, wanted = totals[..., 0], totals[..., 1]
        correct, total = totals[..., 2 : 2 + _ORDER], totals[..., 2 + _ORDER :]
        is_missed = (correct == 0) & (total > 0)
        # The k-th order without a match counts as 1 / 2^k of one (NIST's smoothing).
        smoothed = np.where(is_missed, 0.5 ** np.cumsum(is_missed, axis=-1), correct)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.log(smoothed / total).mean(axis=-1)
            brevity = np.where(said < wanted, np.exp(1 - wanted / np.maximum(said, 1e-300)), 1.0)
            score = 100 * brevity * np.exp(precision)
        has_match = (correct > 0).any(axis=-1) & (total > 0).all(axis=-1)
        return np.where(said + wanted > 0, np.where(has_match, score, 0.0), np.nan)

    @override
    def note(self, rows: Sequence[EvalRow]) -> str | None:
        """Returns sacrebleu's signature, without which a BLEU cannot be compared."""
        found = signatures("bleu", rows)
        return None if found is None else f"bleu: {found}"

    @classmethod
    @override
    def require_ready(cls) -> None:
        """Makes sure that sacrebleu is installed."""
        scorer("bleu", "none")
