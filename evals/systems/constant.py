"""constant."""

import math
from collections import Counter

from typing_extensions import override

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow, Task
from evals.systems.base import EvalContext, System
from evals.systems.spec import FORMS
from loopwright.progress import Advance


class Constant(System):
    """The most frequent label of the train split, whatever the input: what accuracy is worth on uneven classes.

    Its likelihoods are the labels' shares in train, one added to each count so that an unseen label stays possible. Ties go to the
    first choice.
    """

    name = "constant"
    forms = (FORMS["constant"],)
    tasks = frozenset({Task.CLASSIFICATION})

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Answers each example with its template's majority label."""
        counts: dict[str, Counter[str]] = {}
        predictions = []
        for row in context.rows_of(Task.CLASSIFICATION):
            if row.template not in counts:
                counts[row.template] = Counter(train_row.reference for train_row in context.train_rows_of(row.template))
            predictions.append(_majority(row, counts[row.template]))
            advance(1)
        return predictions


def _majority(row: EvalRow, counts: Counter[str]) -> Prediction:
    assert row.choices is not None
    if not counts:
        return Prediction(row.id, PredictionState.ERROR, detail="the train split has no labelled example of this template")
    total = sum(counts[choice] + 1 for choice in row.choices)
    loglikelihoods = tuple(math.log((counts[choice] + 1) / total) for choice in row.choices)
    return Prediction(row.id, PredictionState.OK, max(row.choices, key=counts.__getitem__), loglikelihoods)
