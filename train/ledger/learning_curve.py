"""How the validation loss falls with the number of training rows: a power law, and how far it can be trusted."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_NUM_RESAMPLES = 1000
_EXPONENTS = np.geomspace(0.05, 2.0, 60)
_FEWEST_GROUPS = 10
# What a fit has to explain of how the sizes' mean losses differ, and how far off the largest size may be when it is predicted from the
# others, as a share of the whole fall: beyond that a prediction would say more than the points do.
_LEAST_EXPLAINED, _MOST_OFF = 0.9, 0.1


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, resampled: Floats) -> "Estimate":
        """Returns a number with the percentiles of what resampling makes of it (Efron and Tibshirani, 1993, chapter 13)."""
        low, high = np.quantile(resampled, [0.025, 0.975])
        return cls(float(value), float(low), float(high))


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """`loss = a + b * rows^-c` (Hestness et al., "Deep Learning Scaling is Predictable, Empirically", 2017).

    Attributes:
        a: what is left however many rows there are.
        b: what one row would leave above that.
        c: how fast that falls.
        r_squared: share of the differences between the sizes' mean losses that it explains.
    """

    a: float
    b: float
    c: float
    r_squared: float


@dataclass(frozen=True, slots=True)
class SliceCurve:
    """The curve of all validation rows, or of some.

    Attributes:
        rows: training rows of this kind in the largest runs.
        means: mean loss of each size, the smallest first.
        fit: None where the points do not bear one.
        at_twice: the loss with twice the rows; None with the fit.
        gain_at_twice: by how much that is below the fit at all rows.
        last_gain: by how much the loss fell from the second largest size to the largest.
        why_not: why there is no fit; empty where there is one.
    """

    rows: int
    means: list[Estimate]
    fit: PowerLaw | None
    at_twice: Estimate | None
    gain_at_twice: Estimate | None
    last_gain: Estimate
    why_not: str

    def as_json(self) -> dict[str, Any]:
        """Returns what `curve.json` says of it."""
        parts = {name: None if one is None else asdict(one) for name, one in (("fit", self.fit), ("at_twice", self.at_twice))}
        return {"rows": self.rows, **parts, "last_gain": asdict(self.last_gain), "why_not": self.why_not}


@dataclass(frozen=True, slots=True)
class Losses:
    """What P runs say of N validation rows.

    Attributes:
        sums: the loss of each row in each run, not divided by its weight, [P, N].
        weights: what each row counts for in the mean, [N].
        groups: a number for what holds rows that are no independent evidence together, [N].
    """

    sums: Floats
    weights: Floats
    groups: npt.NDArray[np.int64]


def slice_curve(sizes: Sequence[int], steps: Sequence[int], found: Losses, seed: int) -> SliceCurve:
    """Returns the curve of P runs.

    The intervals are of a bootstrap over groups of validation rows, the same for all runs, and over the seeds of each size, whose spread is
    scaled by sqrt(k / (k - 1)) for their small number k (Davison and Hinkley, 1997, 2.3).

    Args:
        sizes: training rows of each run, [P].
        steps: which of the sizes each run is of, from 0, the smallest: [P]; each has as many runs.
        found: their losses.
        seed: of the resampling.
    """
    generator = np.random.default_rng(seed)
    of_size = [np.flatnonzero(np.asarray(steps) == step) for step in range(max(steps) + 1)]
    numbers = np.unique(found.groups, return_inverse=True)[1]
    num_groups = int(numbers.max()) + 1
    by_group = np.stack([np.bincount(numbers, row, num_groups) for row in (*found.sums, found.weights)])
    losses = by_group[:-1].sum(1) / by_group[-1].sum()
    counts = generator.multinomial(num_groups, np.full(num_groups, 1 / num_groups), _NUM_RESAMPLES).astype(np.float64)
    resampled = _over_seeds((counts @ by_group[:-1].T) / (counts @ by_group[-1])[:, None], of_size, generator)
    means, resampled_means = (np.stack([values[..., runs].mean(-1) for runs in of_size], -1) for values in (losses, resampled))
    rows = np.asarray(sizes, dtype=np.float64)
    law, laws, twice = _Laws.fit(rows, losses[None]), _Laws.fit(rows, resampled), np.array([rows.max(), 2 * rows.max()])
    now, then = law.at(twice)[0]
    nows, thens = laws.at(twice).T
    explained = _explained(means, np.array([law.at(rows[runs])[0].mean() for runs in of_size]))
    why_not = _why_not(means, resampled_means, explained, num_groups) or _why_not_foreseen(rows, losses, resampled, of_size)
    return SliceCurve(
        rows=int(rows.max()),
        means=[Estimate.of(one, several) for one, several in zip(means, resampled_means.T, strict=True)],
        fit=None if why_not else law.power_law(explained),
        at_twice=None if why_not else Estimate.of(then, thens),
        gain_at_twice=None if why_not else Estimate.of(now - then, nows - thens),
        last_gain=Estimate.of(means[-2] - means[-1], resampled_means[:, -2] - resampled_means[:, -1]),
        why_not=why_not,
    )


@dataclass(frozen=True, slots=True)
class _Laws:
    """Power laws of B resamples, `a + b * (n / scale)^-c`, each of them float64 [B]."""

    a: Floats
    b: Floats
    c: Floats
    scale: float

    @classmethod
    def fit(cls, rows: Floats, losses: Floats) -> "_Laws":
        """Returns the laws with the least squared errors, neither a nor b below zero.

        Args:
            rows: of each run, [P].
            losses: of each run in each resample, [B, P].
        """
        scale = rows.max()
        least = np.full(len(losses), np.inf)
        best = np.zeros((3, len(losses)))
        for exponent in _EXPONENTS:
            falling = (rows / scale) ** -exponent
            centred = falling - falling.mean()
            b = np.maximum(0.0, (losses @ centred) / (centred @ centred))
            a = losses.mean(1) - b * falling.mean()
            alone = np.maximum(0.0, (losses @ falling) / (falling @ falling))  # what b is where a would be below zero
            a, b = np.where(a < 0, 0.0, a), np.where(a < 0, alone, b)
            errors = ((losses - a[:, None] - b[:, None] * falling) ** 2).sum(1)
            better = errors < least
            least = np.where(better, errors, least)
            best = np.where(better, np.stack([a, b, np.full(len(losses), exponent)]), best)
        return cls(best[0], best[1], best[2], float(scale))

    def at(self, rows: Floats) -> Floats:
        """Returns the loss at some numbers of rows, [B, M]."""
        found: Floats = self.a[:, None] + self.b[:, None] * (rows / self.scale) ** -self.c[:, None]
        return found

    def power_law(self, explained: float) -> PowerLaw:
        """Returns the first of them."""
        a, b, c = (float(values[0]) for values in (self.a, self.b, self.c))
        return PowerLaw(a, b * self.scale**c, c, explained)


def _over_seeds(losses: Floats, of_size: list[npt.NDArray[np.int64]], generator: np.random.Generator) -> Floats:
    """Draws, in each of B resamples, the runs of each size anew from its own: [B, P] -> [B, P]."""
    drawn = losses.copy()
    for runs in of_size:
        num_seeds = len(runs)
        mean = losses[:, runs].mean(1, keepdims=True)
        chosen = generator.integers(num_seeds, size=(len(losses), num_seeds))
        deviations = np.take_along_axis(losses[:, runs] - mean, chosen, axis=1)
        drawn[:, runs] = mean + deviations * (num_seeds / max(1, num_seeds - 1)) ** 0.5
    return drawn


def _explained(means: Floats, fitted: Floats) -> float:
    differences = float(((means - means.mean()) ** 2).sum())
    return 1 - float(((means - fitted) ** 2).sum()) / differences if differences else 0.0


def _why_not(means: Floats, resampled_means: Floats, explained: float, num_groups: int) -> str:
    """Says why the points bear no power law; empty where they may."""
    if num_groups < _FEWEST_GROUPS:
        return f"there are {num_groups} independent validation rows, and fewer than {_FEWEST_GROUPS} say nothing"
    fall = Estimate.of(means[0] - means[-1], resampled_means[:, 0] - resampled_means[:, -1])
    if fall.low <= 0:
        return "from the fewest rows to all, the loss does not fall beyond the noise"
    if explained < _LEAST_EXPLAINED:
        return f"the losses do not lie on a power law: it explains {max(0.0, explained):.0%} of their differences"
    return ""


def _why_not_foreseen(rows: Floats, losses: Floats, resampled: Floats, of_size: list[npt.NDArray[np.int64]]) -> str:
    """Says why a prediction is not to be trusted: the same one, made from all sizes but the largest, misses the largest."""
    last = of_size[-1]
    before = np.concatenate(of_size[:-1])
    foreseen, seen = _Laws.fit(rows[before], losses[None, before]).at(rows[last]).mean(), losses[last].mean()
    foreseens, seens = _Laws.fit(rows[before], resampled[:, before]).at(rows[last]).mean(1), resampled[:, last].mean(1)
    miss = Estimate.of(foreseen - seen, foreseens - seens)
    fall = losses[of_size[0]].mean() - seen
    if miss.low <= 0 <= miss.high or abs(miss.value) <= _MOST_OFF * fall:
        return ""
    return f"the smaller sizes foresee {foreseen:.4f} with all rows, where it is {seen:.4f}"
