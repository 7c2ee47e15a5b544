"""How far a system's confidence can be trusted: reliability, and what it would answer if it kept to what it is sure of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The examples whose confidence lies in one stretch: its mean, the share that is right, and how many they are."""

    confidence: float
    right: float
    count: int


def reliability(confidence: Sequence[float], right: Sequence[bool], num_bins: int) -> list[ReliabilityBin]:
    """Returns how often answers of each confidence are right, in bins of equal width (Niculescu-Mizil and Caruana, 2005).

    Args:
        confidence: `[N]`, in [0, 1].
        right: `[N]`.
        num_bins: into how many the range from 0 to 1 is cut; those without an example are left out.
    """
    values, is_right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    places = np.minimum((values * num_bins).astype(np.int64), num_bins - 1)
    return [
        ReliabilityBin(float(values[chosen].mean()), float(is_right[chosen].mean()), int(chosen.sum()))
        for place in range(num_bins)
        if (chosen := places == place).any()
    ]


def risk_coverage(confidence: Sequence[float], right: Sequence[bool]) -> tuple[Floats, Floats]:
    """Returns the share of examples answered and the share of those that is wrong, the surest answered first (Geifman and El-Yaniv, 2017).

    Answers of one confidence are answered together: no order among them is better than another.

    Args:
        confidence: `[N]`.
        right: `[N]`.

    Returns:
        coverage `[M]`, rising to 1, and risk `[M]`, with a point for each different confidence.
    """
    values, is_right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    answered = np.arange(1, len(values) + 1)
    risk = np.cumsum(1.0 - is_right[order]) / answered
    last = np.append(values[order][1:] != values[order][:-1], True) if len(values) else np.zeros(0, dtype=bool)
    return answered[last] / max(len(values), 1), risk[last]
