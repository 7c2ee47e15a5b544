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

    Labels are the choices of a template, or the written answers of one, where those are few words that recur.

    Its likelihoods are the labels' shares in train, one added to each count so that an unseen label stays possible. Ties go to the
    first choice, of written answers to the first in the order of the alphabet.
    """

    name = "constant"
    forms = (FORMS["constant"],)
    tasks = frozenset({Task.CLASSIFICATION})
    writes_labels = True

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Answers each example with its template's majority label."""
        counts: dict[tuple[str, Task], Counter[str]] = {}
        predictions = []
        for row in context.rows_for(self):
            key = row.template, row.task
            if key not in counts:
                counts[key] = Counter(train_row.reference for train_row in context.train_rows_of(*key))
            predictions.append(_majority(row, counts[key]))
            advance(1)
        return predictions


def _majority(row: EvalRow, counts: Counter[str]) -> Prediction:
    if row.choices is None:
        return Prediction(row.id, PredictionState.OK, max(sorted(counts), key=counts.__getitem__))
    if not counts:
        return Prediction(row.id, PredictionState.ERROR, detail="the train split has no labelled example of this template")
    total = sum(counts[choice] + 1 for choice in row.choices)
    loglikelihoods = tuple(math.log((counts[choice] + 1) / total) for choice in row.choices)
    return Prediction(row.id, PredictionState.OK, max(row.choices, key=counts.__getitem__), loglikelihoods)
