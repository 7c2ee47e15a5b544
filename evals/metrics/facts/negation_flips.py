"""negation_flips."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric
from evals.metrics.facts.negation import flipped, language_of, statements


class NegationFlips(RowMetric):
    """Share of answers in which a sentence negates what the reference affirms, or affirms what it negates: "no fever" for "fever".

    Two sentences are about the same where they share 0.7 of their words, without small words and negations; after NegEx (Chapman et
    al. 2001). Made to be right where it says so rather than to find all: what is put in quite other words, in opposites ("refused" for
    "accepted") or left out is not seen. It knows the negations of English, German, French, Spanish and Chinese; an example in another
    language has no score.
    """

    name = "negation_flips"
    tasks = frozenset({Task.GENERATION})
    higher_is_better = False
    is_proportion = True
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1 where a sentence is turned round; None in a language whose negations are not known."""
        language = language_of(row.reference)
        if language is None:
            return None
        known = statements(row.reference, language)
        return float(any(flipped(one, known) for one in statements(prediction.answer, language)))
