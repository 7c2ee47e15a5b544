"""answer_nll."""

import math

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RatioMetric
from evals.metrics.likelihood.parts import nats_and_tokens


class AnswerNll(RatioMetric):
    """Negative log-likelihood of every answer of a chat, in nats a token, each behind the messages before it as the chat has them.

    What is scored is what is trained: all turns of the assistant but those of weight 0, with their calls of tools and their end of turn.
    It is the loss of the objective `chat`. Lower is better; tokens of two tokenizers are two units.
    """

    name = "answer_nll"
    tasks = frozenset({Task.GENERATION})
    value_range = (0.0, math.inf)
    reads = ("prediction.parts",)
    higher_is_better = False

    @override
    def ratio(self, row: EvalRow, prediction: Prediction) -> tuple[float, float] | None:
        """Returns the nats and the tokens of all answers of one chat."""
        return nats_and_tokens(prediction.parts or ())
