"""What would tell where an evaluation cannot: how many rows, and how many seeds; and what a number of rows will show, before the run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from evals.compare.statistics import rows_needed
from evals.data.contract import PairReport
from evals.metrics.base import METRICS
from loopwright.statistics import detectable_errors

# What is assumed before anything is measured: two models disagree on a fifth of the rows, as `prep build` assumes it; and two texts' scores
# between 0 and 1 differ by a fifth, as a standard deviation.
_DISAGREEING = 0.2
_SPREAD = 0.2


@dataclass(frozen=True, slots=True)
class Needed:
    """What a verdict lacks.

    Attributes:
        rows: in all, with a power of 80 %; None where it cannot be said.
        seeds: in all; None where there are enough.
        words: for the verdict line, from its semicolon on.
    """

    rows: int | None
    seeds: int | None
    words: str


def what_is_needed(pair: PairReport, confidence: float, minimum_effect: float | None, num_seeds: int) -> Needed:
    """Returns the rows and seeds that would show an effect: the smallest that matters, where somebody said it, else the one that was seen.

    The variance of the mean is the rows' part plus the seeds' part, each of which shrinks with its own number. Seeds are added where theirs
    alone leaves less than half of what is allowed.
    """
    error = pair.standard_error or 0.0
    effect = minimum_effect if minimum_effect is not None else abs(pair.difference or 0.0)
    if pair.smallest_effect is None:
        return Needed(None, None, "; the two score alike on every example")
    smallest = f"these examples would have shown a difference of {pair.smallest_effect:.3f}"
    of_seeds = pair.seed_error or 0.0
    allowed = (effect / detectable_errors(confidence)) ** 2
    if not effect:
        return Needed(None, None, f"; {smallest}")
    if not of_seeds or of_seeds**2 < allowed / 2:
        rows = _rows(pair, error, of_seeds, allowed) if of_seeds else rows_needed(effect, error, pair.n, confidence)
        seeds = None
    else:
        seeds = math.ceil(num_seeds * of_seeds**2 * 2 / allowed)
        rows = max(pair.n, math.ceil(pair.n * (error**2 - of_seeds**2) * 2 / allowed))
    size = "of this size" if minimum_effect is None else f"of {minimum_effect:g}"
    more = [f"about {rows - pair.n} more rows"] if rows is not None and rows > pair.n else []
    more += [f"{seeds - num_seeds} more seeds"] if seeds is not None and seeds > num_seeds else []
    if not more:
        # The test is adjusted for several metrics, and power is counted for one.
        return Needed(rows, seeds, f"; {smallest}")
    return Needed(rows, seeds, f"; needs {' and '.join(more)} to show a difference {size} ({smallest})")


def _rows(pair: PairReport, error: float, of_seeds: float, allowed: float) -> int:
    """Returns the rows that bring the rows' part of the variance to what the seeds' part leaves of the allowed."""
    return max(1, math.ceil(pair.n * (error**2 - of_seeds**2) / (allowed - of_seeds**2)))


def power_note(primary: str, num_clusters: int, minimum_effect: Mapping[str, float], confidence: float) -> str:
    """Returns what the examples can show, before any has been answered.

    Args:
        primary: the metric that decides.
        num_clusters: independent examples.
        minimum_effect: metric -> the smallest difference that would matter.
        confidence: of the intervals.
    """
    variance = _DISAGREEING if METRICS.get(primary).is_proportion else _SPREAD**2
    effect = detectable_errors(confidence) * math.sqrt(variance / num_clusters)
    said = f"{num_clusters:,} independent examples show a difference of about {effect:.3f} in {primary} in 80 of 100 cases"
    wanted = minimum_effect.get(primary)
    if wanted is not None and wanted < effect:
        needed = math.ceil(num_clusters * (effect / wanted) ** 2)
        said += f"; for {wanted:g}, which would matter, about {needed:,} are needed"
    return said
