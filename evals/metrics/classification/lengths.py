"""Choices by log-likelihood over their length: what `acc_norm` and `acc_bytes` share."""

from collections.abc import Callable

import numpy as np

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow


def is_best_for_its_length(row: EvalRow, prediction: Prediction, length: Callable[[str], int]) -> bool | None:
    """Says whether the right choice has the highest log-likelihood over its length; of several as high the first one counts.

    Args:
        row: with its choices.
        prediction: with the choices' log-likelihoods, in nats.
        length: of a choice's text, as the template has it: without what stands between prompt and choice.

    Returns:
        None where a choice is said by several words, of which none has the choice's length, or a log-likelihood is no number.
    """
    if row.words is not None and any(len(words) > 1 for words in row.words):
        return None
    scores = np.asarray(prediction.loglikelihoods, dtype=np.float64)
    if not np.isfinite(scores).all():
        return None
    lengths = np.array([length(choice) for choice in row.choices or ()], dtype=np.float64)
    return int(np.argmax(scores / np.maximum(lengths, 1))) == row.label
