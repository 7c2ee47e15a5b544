"""verbalizer_mass."""

import math
from itertools import pairwise

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.metrics.base import RowMetric

# What sums of float32 may be above 1 by rounding.
_ROUNDING = 1e-4


class VerbalizerMass(RowMetric):
    """Mean share of the model's probability that falls on the choices: the sum of exp(log-likelihood) over them.

    Near 1 the model knows what it is asked for; near 0 it would say something else, and chooses among unlikely words (the surface
    form competition of Holtzman et al. 2021). Baselines that know nothing but the labels have 1. A row has no value where its sums
    cannot be probabilities of different answers: they add up to more than 1, or one word begins with another and would be counted twice.
    """

    name = "verbalizer_mass"
    tasks = frozenset({Task.CLASSIFICATION})
    reads = ("prediction.loglikelihoods",)
    value_range = (0.0, 1.0)

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns the mass in [0, 1], or None where the sums are no probabilities."""
        said = [word for words in row.words for word in words] if row.words else row.choices or []
        # In order of the alphabet, what a word begins stands right behind it.
        if any(longer.startswith(shorter) for shorter, longer in pairwise(sorted(said))):
            return None
        mass = math.fsum(math.exp(min(value, 1.0)) for value in prediction.loglikelihoods or ())
        return min(mass, 1.0) if mass <= 1.0 + _ROUNDING else None
