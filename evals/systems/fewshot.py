"""fewshot:K."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.systems.added import ADDED
from evals.systems.base import EvalContext, System
from evals.systems.prompted import answer_with_model
from evals.systems.spec import FORMS
from loopwright.progress import Advance


class FewShot(System):
    """The model as it came, shown K train examples with their answers first: what prompting gives without training.

    Of a chat they are earlier turns, of raw text they stand before it with an empty line between. All examples of a template get the same
    ones, drawn by the evaluation's seed, in turns of the labels where answers are labels; an example never gets itself, one of its group or
    a near-duplicate.
    """

    name = "fewshot"
    forms = (FORMS["fewshot:K"],)
    needs_model = True
    adds = ADDED

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Answers with the base weights alone, behind the demonstrations."""
        return answer_with_model(context, None, advance, (self.spec, *self.spec.added))
