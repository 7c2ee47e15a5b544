"""base."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.systems.base import EvalContext, System
from evals.systems.prompted import answer_with_model
from evals.systems.spec import FORMS
from loopwright.progress import Advance


class Base(System):
    """The model as it came, every adapter switched off."""

    name = "base"
    forms = (FORMS["base"],)
    needs_model = True

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Answers with the base weights alone."""
        return answer_with_model(context, None, advance)
