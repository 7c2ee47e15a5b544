"""nearest."""

from typing_extensions import override

from evals.data.neighbours import find_neighbours
from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow, Task
from evals.systems.base import EvalContext, System
from evals.systems.spec import FORMS
from loopwright.progress import Advance


class Nearest(System):
    """The answer of the nearest train example: what a written answer is worth that was learnt by looking it up.

    Nearest by the cosine of TF-IDF vectors of what is asked, among the train examples of the same template; of equally near ones the
    earlier. A fine-tuned model that does not beat it has learnt to recall, and not to answer.
    """

    name = "nearest"
    forms = (FORMS["nearest"],)
    tasks = frozenset({Task.GENERATION})

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Answers each example with what the nearest one was answered with."""
        rows = context.rows_for(self)
        found = find_neighbours(rows, [row for row in context.train_rows if row.task is Task.GENERATION], 1)
        predictions = [_recalled(row, [neighbour.row for neighbour in found[row.id]]) for row in rows]
        advance(len(rows))
        return predictions


def _recalled(row: EvalRow, nearest: list[EvalRow]) -> Prediction:
    if not nearest:
        detail = "the train split has no example of this template that asks something"
        return Prediction(row.id, PredictionState.ERROR, detail=detail)
    return Prediction(row.id, PredictionState.OK, nearest[0].reference, calls=nearest[0].calls or ())
