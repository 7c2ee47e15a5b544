"""bits_per_byte."""

import math

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RatioMetric


class BitsPerByte(RatioMetric):
    """Bits that a model needs for a byte of plain text in UTF-8: the negative log-likelihood in bits over the bytes that it predicts.

    A unit that no tokenizer decides, so that base models can be compared by it (Gao et al., 2020, "The Pile", section 3.1). The end token
    says no byte, and is left out. Lower is better.
    """

    name = "bits_per_byte"
    tasks = frozenset({Task.TEXT})
    value_range = (0.0, math.inf)
    reads = ("prediction.parts",)
    higher_is_better = False

    @override
    def ratio(self, row: EvalRow, prediction: Prediction) -> tuple[float, float] | None:
        """Returns the bits and the bytes of one text, without its end token."""
        said = [part for part in prediction.parts or () if part.num_bytes and part.loglikelihood is not None]
        num_bytes = sum(part.num_bytes for part in said)
        return (-sum(part.loglikelihood or 0.0 for part in said) / math.log(2), num_bytes) if num_bytes else None
