"""base and base:MODEL."""

from dataclasses import replace

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import Task
from evals.systems.added import ADDED
from evals.systems.base import EvalContext, System
from evals.systems.prompted import answer_with_model
from evals.systems.spec import FORMS
from loopwright.progress import Advance
from train.inference.language_model import LanguageModel


class Base(System):
    """The model as it came, every adapter switched off; or another model, so that base models can be compared before one is trained."""

    name = "base"
    forms = (FORMS["base"], FORMS["base:MODEL"])
    needs_model = True
    tasks = frozenset(Task)
    adds = ADDED

    @property
    @override
    def other_model(self) -> str | None:
        """The model that it is, where it is not the one that the others share."""
        return self.spec.argument or None

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Answers with the base weights alone."""
        if self.other_model is None:
            return answer_with_model(context, None, advance, self.spec.added)
        model = LanguageModel(self.other_model, context.config.dtype, {}, context.chat_template)
        own = replace(context, model=model, encoded={}, read={})
        own.limit_answers()
        context.max_new_tokens = max(context.max_new_tokens, own.max_new_tokens)
        answers = answer_with_model(own, None, advance, self.spec.added)
        context.asked = own.asked
        return answers
