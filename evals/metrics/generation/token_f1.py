"""token_f1."""

from collections import Counter

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.generation.squad import answer_tokens
from evals.metrics.language import is_english


class TokenF1(RowMetric):
    """F1 of the words that answer and reference have in common, normalised as SQuAD does (Rajpurkar et al. 2016).

    Each counts as often as it occurs. Equal to SQuAD's F1 on English; where either has no word left, 1 if both have none, else 0. In
    scripts without spaces between words, characters are counted, as is usual for Chinese question answering.
    """

    name = "token_f1"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float:
        """Returns 2 * common / (words of the answer + words of the reference), in [0, 1]."""
        in_english = is_english(row)
        said = answer_tokens(prediction.answer, in_english=in_english)
        wanted = answer_tokens(row.reference, in_english=in_english)
        if not said or not wanted:
            return float(said == wanted)
        common = (Counter(said) & Counter(wanted)).total()
        return 2 * common / (len(said) + len(wanted))
