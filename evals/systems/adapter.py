"""adapter:RUN."""

from typing_extensions import override

from evals.answering import answer_with_model
from evals.prediction import Advance, Prediction
from evals.system import System, Workbench


class Adapter(System):
    """The same loaded model with the adapter of a run switched on."""

    name = "adapter"
    needs_model = True
    takes_argument = True

    @override
    def answer(self, bench: Workbench, argument: str, advance: Advance) -> list[Prediction]:
        """Answers with the adapter of the run folder `argument`."""
        return answer_with_model(bench, argument, advance)
