"""normalised_match."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.generation.squad import answer_tokens
from evals.metrics.language import is_english


class NormalisedMatch(RowMetric):
    """Share of texts that equal the reference but for case, punctuation, white space and English articles (Rajpurkar et al. 2016).

    Equal to SQuAD's exact match on English. Articles are dropped where reference and input are English; in scripts without spaces between
    words, characters are compared.
    """

    name = "normalised_match"
    tasks = frozenset(Task)
    is_proportion = True
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float:
        """Returns 1 where the two have the same words."""
        in_english = is_english(row)
        return float(answer_tokens(prediction.answer, in_english=in_english) == answer_tokens(row.reference, in_english=in_english))
