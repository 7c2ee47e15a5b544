"""text_nll."""

import math

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RatioMetric
from evals.metrics.likelihood.parts import nats_and_tokens


class TextNll(RatioMetric):
    """Negative log-likelihood of plain texts, in nats a token, the end token of each text among them.

    Each token is predicted once, given what stands before it: a text longer than the window is read by strides, as the held-out loss of
    the objective `completion` is, and is that loss. Lower is better. Tokens of two tokenizers are two units: `bits_per_byte` compares
    those.
    """

    name = "text_nll"
    tasks = frozenset({Task.TEXT})
    value_range = (0.0, math.inf)
    reads = ("prediction.parts",)
    higher_is_better = False

    @override
    def ratio(self, row: EvalRow, prediction: Prediction) -> tuple[float, float] | None:
        """Returns the nats and the tokens of one text."""
        return nats_and_tokens(prediction.parts or ())
