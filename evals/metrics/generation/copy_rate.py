"""copy_rate."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.words import script_words

_WORDS = 4


class CopyRate(RowMetric):
    """Share of an answer's runs of four words that stand in the input word for word: what is left of 1 by novel 4-grams (See et al. 2017).

    It describes answers: a summary that copies is faithful and dull, a reply that copies has said nothing. Mean over the answers of four
    words or more (characters, in scripts without spaces between words); the others have no score.
    """

    name = "copy_rate"
    tasks = frozenset({Task.GENERATION})
    reads = ("prediction.text", "row.input_text")
    higher_is_better = None
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns the share of the answer's runs that the input has, in [0, 1]; None for an answer of fewer words than a run."""
        said = _runs(prediction.answer)
        if not said:
            return None
        given = set(_runs(row.input_text))
        return sum(run in given for run in said) / len(said)


def _runs(text: str) -> list[tuple[str, ...]]:
    words = script_words(text)
    return [tuple(words[start : start + _WORDS]) for start in range(len(words) - _WORDS + 1)]
