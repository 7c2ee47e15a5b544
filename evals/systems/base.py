"""base."""

from typing_extensions import override

from evals.answering import answer_with_model
from evals.prediction import Advance, Prediction
from evals.system import System, Workbench


class Base(System):
    """The model as it came, every adapter switched off."""

    name = "base"
    needs_model = True

    @override
    def answer(self, bench: Workbench, argument: str, advance: Advance) -> list[Prediction]:
        """Answers with the base weights alone."""
        return answer_with_model(bench, None, advance)
