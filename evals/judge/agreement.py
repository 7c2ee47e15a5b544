"""How far two verdicts agree, beyond chance."""

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from evals.compare.statistics import bootstrap_totals, cluster_sums, percentile_interval
from evals.config import EvalsConfig
from evals.data.contract import MetricValue
from evals.judge.contract import Agreement
from evals.judge.rates import NOTHING, Array, share

LEAST_KAPPA = 0.4
"""Up to here agreement is fair at the best, above it moderate (Landis and Koch 1977, Biometrics 33:159-174)."""

Comparison = tuple[str, str, int]
"""The reference's verdict, the judge's, and the number of the cluster."""


def kappa_of(counts: Array) -> Array:
    """Returns Cohen's kappa of tables of counts, `[..., K, K]` -> `[...]` (Cohen 1960): (observed - expected) / (1 - expected).

    NaN where both say one thing always: then nothing is left to agree on.
    """
    total = counts.sum(axis=(-1, -2))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.trace(counts, axis1=-2, axis2=-1) / total
        expected = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1) / total**2
        found: Array = np.where(1 - expected > 1e-12, (observed - expected) / (1 - expected), np.nan)
    return found


def agreement(comparisons: Sequence[Comparison], categories: Sequence[str], config: EvalsConfig, *, is_even: bool = False) -> Agreement:
    """Returns the agreement of two verdicts, with intervals from a bootstrap of whole clusters.

    Args:
        comparisons: the pairs of verdicts.
        categories: what they can be.
        config: resamples, confidence and seed.
        is_even: neither of the two is the reference, as of two people: each pair is counted in both orders, half and half. Kappa then is
            that of Scott (1955), and of Fleiss (1971) for two.
    """
    places = {category: place for place, category in enumerate(categories)}
    number = len(categories)
    tables = np.zeros((len(comparisons), number, number))
    for index, (one, other, _) in enumerate(comparisons):
        tables[index, places[one], places[other]] += 1
    if is_even:
        tables = (tables + tables.transpose(0, 2, 1)) / 2
    clusters = np.unique(np.array([cluster for _, _, cluster in comparisons], dtype=np.int64), return_inverse=True)[1]
    total = tables.sum(axis=0)
    observed = share(np.array([float(one == other) for one, other, _ in comparisons]), clusters, config.confidence)
    said = total.sum(axis=1)
    return Agreement(
        kappa=_kappa(tables, clusters, observed, config),
        observed=observed,
        base_rate=float(said.max() / said.sum()) if comparisons else None,
        num_comparisons=len(comparisons),
        num_clusters=int(clusters.max(initial=-1)) + 1,
        categories=list(categories),
        counts=[[round(float(cell)) for cell in row] for row in (total * 2 if is_even else total)],
    )


def between_people(by_example: Iterable[tuple[Sequence[str], int]], categories: Sequence[str], config: EvalsConfig) -> Agreement | None:
    """Returns the agreement of people with each other, over all pairs of those who labelled the same; None where no two did.

    Args:
        by_example: the verdicts of different people on each example, and the number of its cluster.
        categories: what they can be.
        config: resamples, confidence and seed.
    """
    pairs = [(one, other, cluster) for said, cluster in by_example for one, other in combinations(said, 2)]
    return agreement(pairs, categories, config, is_even=True) if pairs else None


def _kappa(tables: Array, clusters: npt.NDArray[np.int64], observed: MetricValue, config: EvalsConfig) -> MetricValue:
    """Returns kappa with its bootstrap interval.

    Where nearly all verdicts are equal, resamples are too, and say less than is uncertain. So the lower bound is never above that which
    the interval of the observed agreement gives, at the agreement that chance gives here.
    """
    total = tables.sum(axis=0)
    value = float(kappa_of(total)) if len(tables) else np.nan
    if not np.isfinite(value) or observed.value is None or observed.low is None:
        return NOTHING
    number = tables.shape[-1]
    totals = bootstrap_totals(cluster_sums(tables.reshape(len(tables), -1), clusters), config.num_resamples, config.seed)
    interval = percentile_interval(kappa_of(totals.reshape(-1, number, number)), config.confidence)
    low, high = interval or (value, value)
    expected = float((total.sum(axis=0) * total.sum(axis=1)).sum() / total.sum() ** 2)
    return MetricValue(value=value, low=max(-1.0, min(low, (observed.low - expected) / (1 - expected))), high=high)
