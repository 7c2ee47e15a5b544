"""adapter:RUN."""

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.systems.base import EvalContext, System
from evals.systems.prompted import answer_with_model
from evals.systems.spec import FORMS
from loopwright.progress import Advance


class Adapter(System):
    """The same loaded model with the adapter of a run switched on."""

    name = "adapter"
    forms = (FORMS["adapter"], FORMS["adapter:RUN"])
    needs_model = True

    @property
    @override
    def run(self) -> str:
        """The run folder, as given."""
        return self.spec.argument

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Answers with the adapter of the run folder."""
        return answer_with_model(context, self.run, advance)
