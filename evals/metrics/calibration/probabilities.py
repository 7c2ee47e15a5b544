"""The probabilities of choices, and the confidence of an answer."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow
from evals.metrics.base import Array


def choice_probabilities(prediction: Prediction) -> Array | None:
    """Returns the probabilities of an example's choices, `[num_choices]`, their likelihoods normalised to add up to 1.

    None where the likelihoods are no numbers.
    """
    scores = np.asarray(prediction.loglikelihoods, dtype=np.float64)
    if not scores.size or not np.isfinite(scores).all():
        return None
    shares = np.exp(scores - scores.max())
    return np.asarray(shares / shares.sum())


def confidences(rows: Sequence[EvalRow], predictions: Sequence[Prediction]) -> tuple[Array, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Returns the probability of each example's likeliest choice, whether that choice is right, and whether there are probabilities.

    All are `[N]`; where there are none, the first two are 0 and false. (The softmax response of Geifman and El-Yaniv 2017.)
    """
    known = [choice_probabilities(prediction) for prediction in predictions]
    confidence = np.array([0.0 if one is None else one.max() for one in known], dtype=np.float64)
    right = np.array([one is not None and int(one.argmax()) == row.label for row, one in zip(rows, known, strict=True)], dtype=np.bool_)
    return confidence, right, np.array([one is not None for one in known], dtype=np.bool_)
