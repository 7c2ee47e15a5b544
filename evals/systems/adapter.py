"""adapter:RUN."""

from typing_extensions import override

from evals.prediction import Advance, Prediction
from evals.prompted import answer_with_model
from evals.system import EvalContext, System


class Adapter(System):
    """The same loaded model with the adapter of a run switched on."""

    name = "adapter"
    needs_model = True
    takes_argument = True

    @override
    def answer(self, context: EvalContext, argument: str, advance: Advance) -> list[Prediction]:
        """Answers with the adapter of the run folder `argument`."""
        return answer_with_model(context, argument, advance)
