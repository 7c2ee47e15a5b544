"""From a few timed micro-batches to the seconds of any other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from train.engine.flops import FlopModel
from train.preflight.result import Estimate
from train.preflight.work import Work

# How far a machine's speed differs from one quarter of an hour to the next, whatever the timings say.
_DRIFT = 0.15
# The relative spread that is assumed where too few micro-batches were timed to show one.
_UNKNOWN_SPREAD = 0.2
_CONFIDENCE = 0.95
# Half or twice: timings that are further apart than that tell nothing of each other.
_MOST_UNCERTAIN = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """seconds = start + per_flop x operations + per_square x entries of attention's tables, none of them below zero.

    Attention has a term of its own, as its operations are few and slow beside those of the products.

    Attributes:
        model: counts the operations.
        start: seconds of any micro-batch.
        per_flop: seconds of an operation.
        per_square: seconds of an entry.
        uncertainty: relative half-width of the interval of a run's time: from the spread of the timings about the fit, by Student's t,
            and the drift of the machine.
    """

    model: FlopModel
    start: float
    per_flop: float
    per_square: float
    uncertainty: float

    @classmethod
    def fit(cls, timed: Sequence[tuple[Work, float]], model: FlopModel) -> "Pace":
        """Fits relative errors by non-negative least squares, each micro-batch at the median of its times."""
        from scipy.optimize import nnls
        from scipy.special import stdtrit

        works = list(dict.fromkeys(work for work, _ in timed))
        seconds = np.array([np.median([taken for work, taken in timed if work == one]) for one in works])
        columns = [[one.flops(model) for one in works], [1.0] * len(works), [float(one.num_squares) for one in works]]
        # A term for each but one of the different micro-batches: one that fits them all exactly follows their noise.
        used = np.array(columns[: max(1, min(3, len(works) - 1))]).T
        scales = used.max(axis=0)
        found, _ = nnls(used / scales / seconds[:, None], np.ones(len(works)))
        terms = np.zeros(3)
        terms[: len(scales)] = found / scales
        per_flop, start, per_square = (float(term) for term in terms)
        fitted = cls(model, start, per_flop, per_square, 0.0)
        errors = np.array([taken / fitted.seconds(work) - 1 for work, taken in timed])
        num_terms = int((terms > 0).sum())
        freedom = len(errors) - num_terms
        spread = float(np.sqrt((errors**2).sum() / freedom)) if freedom > 0 else _UNKNOWN_SPREAD
        quantile = float(stdtrit(max(1, freedom), (1 + _CONFIDENCE) / 2)) if freedom > 0 else 1.0
        uncertainty = min(_MOST_UNCERTAIN, float(np.hypot(_DRIFT, quantile * spread / np.sqrt(len(errors)))))
        return cls(model, start, per_flop, per_square, uncertainty)

    def seconds(self, work: Work) -> float:
        """Returns what a micro-batch takes."""
        return self.start + self.per_flop * work.flops(self.model) + self.per_square * work.num_squares

    def total(self, works: Sequence[Work], times: float = 1.0) -> Estimate:
        """Returns the seconds of some micro-batches, so many times."""
        return self.around(times * sum(self.seconds(work) for work in works))

    def around(self, seconds: float) -> Estimate:
        """Returns some seconds with the interval of what was timed on this machine."""
        return Estimate(seconds, seconds / (1 + self.uncertainty), seconds * (1 + self.uncertainty))
