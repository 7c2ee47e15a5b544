"""rag:K."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.systems.added import ADDED
from evals.systems.base import EvalContext, System
from evals.systems.prompted import answer_with_model
from evals.systems.spec import FORMS
from loopwright.progress import Advance


class Rag(System):
    """The model as it came, given K passages of a corpus with each question: what looking things up gives without training.

    The passages are the nearest by BM25 (Robertson and Zaragoza, 2009) of the corpus that `evals: corpus:` names, put before the question
    with empty lines between; a question that shares no word with any has none. A note says how often a passage has the expected answer.
    """

    name = "rag"
    forms = (FORMS["rag:K"],)
    needs_model = True
    adds = ADDED

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Answers with the base weights alone, behind the passages."""
        return answer_with_model(context, None, advance, (self.spec, *self.spec.added))
