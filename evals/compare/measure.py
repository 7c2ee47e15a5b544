"""Predictions -> metrics with intervals and paired differences, all from per-row statistics resampled in one go."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evals.compare import statistics
from evals.config import EvalsConfig
from evals.data.contract import MetricValue, PairReport, Test
from evals.data.prediction import Prediction
from evals.data.role import Role
from evals.data.rows import EvalRow
from evals.metrics.base import METRICS, Metric, RatioMetric, RowMetric
from loopwright.statistics import holm, wilson_interval

Array = npt.NDArray[np.float64]
Clusters = npt.NDArray[np.int64]
Answers = Mapping[str, Mapping[str, Prediction]]
"""System -> example id -> prediction. Joined by id, never by position."""

NOTHING = MetricValue(value=None, low=None, high=None)

_SLICE_RESAMPLES, _SLICE_SEED = 1000, 17


@dataclass(frozen=True, slots=True)
class Column:
    """One metric of one system.

    Attributes:
        metric: the metric.
        sums: `[N, K]` statistics, zero where the system has no score.
        counted: `[N]`, true where it has one.
        row_scores: the score of each row, where there is one.
        by_seed: of a run from several seeds what each of them has, whose mean the other attributes are; else empty.
    """

    metric: Metric
    sums: Array
    counted: npt.NDArray[np.bool_]
    row_scores: list[float | None]
    by_seed: tuple["Column", ...] = ()

    @property
    def is_proportion(self) -> bool:
        """Each row is right or wrong: not where it is right for one seed and wrong for another."""
        return self.metric.is_proportion and bool(np.isin(self.sums[:, 0], (0.0, 1.0)).all())

    @classmethod
    def mean(cls, columns: "Sequence[Column]") -> "Column":
        """Returns the mean of a run's seeds, row by row, over those that have a score of it."""
        counts = np.maximum(sum(column.counted.astype(float) for column in columns), 1.0)[:, None]
        sums = sum(column.sums for column in columns) / counts
        scores = [[score for score in of_row if score is not None] for of_row in zip(*(one.row_scores for one in columns), strict=True)]
        row_scores = [sum(found) / len(found) if found else None for found in scores]
        return cls(columns[0].metric, sums, np.asarray(sums.any(axis=1)), row_scores, tuple(columns))


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that was measured.

    Attributes:
        columns: system -> metric -> its statistics.
        values: system -> metric -> value and interval.
        pairs: paired differences.
    """

    columns: dict[str, dict[str, Column]]
    values: dict[str, dict[str, MetricValue]]
    pairs: list[PairReport]

    def scores_of_rows(self, system: str, num_rows: int) -> list[dict[str, float]]:
        """Returns the scores of each row by metric, as `scores_of`."""
        return [self.scores_of(system, row) for row in range(num_rows)]

    def scores_of(self, system: str, row: int, seed: int | None = None) -> dict[str, float]:
        """Returns the scores of one row by metric, without the metrics that have none.

        Args:
            system: its label.
            row: the row's place.
            seed: the place of one of the system's seeds; None: their mean.
        """
        columns = self.columns[system].items()
        scores = {name: (column if seed is None else column.by_seed[seed]).row_scores[row] for name, column in columns}
        return {name: score for name, score in scores.items() if score is not None}


def measure(
    rows: Sequence[EvalRow],
    metrics: Mapping[str, Sequence[str]],
    answers: Answers,
    roles: Mapping[str, Role],
    config: EvalsConfig,
    *,
    train_rows: Sequence[EvalRow] = (),
) -> Measured:
    """Measures every system and compares every pair that matters.

    Args:
        rows: the examples.
        metrics: template -> its metric ids.
        answers: each system's predictions.
        roles: what each of these systems is compared as.
        config: resamples, confidence and seed.
        train_rows: those of the train split, for metrics that have to know it.
    """
    clusters = number_clusters(rows)
    names = list(dict.fromkeys(name for template_metrics in metrics.values() for name in template_metrics))
    fitted = {name: METRICS.get(name)().fitted(train_rows) for name in names}
    columns: dict[str, dict[str, Column]] = {}
    for system, predictions in answers.items():
        made = {name: column_of(fitted[name], rows, metrics, predictions) for name in names}
        columns[system] = {name: column for name, column in made.items() if column is not None}
    values = {
        system: dict(zip(by_name, values_of(list(by_name.values()), clusters, config), strict=True)) for system, by_name in columns.items()
    }
    pairs = [pair for a, b in pairs_to_compare(roles) for pair in _compare(a, b, columns, clusters, config)]
    return Measured(columns, values, pairs)


def number_clusters(rows: Sequence[EvalRow]) -> Clusters:
    """Returns the number of each row's cluster, from 0."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(row.cluster, len(numbers)) for row in rows], dtype=np.int64)


def pairs_to_compare(roles: Mapping[str, Role]) -> list[tuple[str, str]]:
    """Returns the pairs (a, b) of systems: each tuned one against all others, the base against baselines and others.

    Where neither is there, whoever named the systems wants to know which of them is better: each is compared with those after it.
    """
    ordered = sorted(roles, key=lambda system: roles[system].rank)
    leading = {Role.TUNED, Role.BASE} & set(roles.values()) or set(roles.values())
    return [(a, b) for index, a in enumerate(ordered) for b in ordered[index + 1 :] if roles[a] in leading]


def value_of(column: Column, chosen: npt.NDArray[np.bool_], clusters: Clusters, confidence: float) -> tuple[MetricValue, int]:
    """Returns a proportion's or mean's value on some rows, with a quick interval, and the number of rows it rests on.

    For slices, where a bootstrap of each would cost more than it says: Wilson's interval. For a mean of scores in [0, 1] it is wider
    than need be, as no such mean varies more than a proportion. What is no mean of rows, and scores beyond, are resampled after all.
    """
    chosen = chosen & column.counted
    count = int(chosen.sum())
    if not count:
        return NOTHING, 0
    value = float(column.metric.value(column.sums[chosen].sum(axis=0)))
    scores, numbers = column.sums[chosen, 0], np.unique(clusters[chosen], return_inverse=True)[1]
    if not math.isfinite(value):
        return NOTHING, 0
    is_mean = isinstance(column.metric, RowMetric) and not isinstance(column.metric, RatioMetric)
    if not is_mean or scores.min() < 0 or scores.max() > 1:
        totals = statistics.bootstrap_totals(statistics.cluster_sums(column.sums[chosen], numbers), _SLICE_RESAMPLES, _SLICE_SEED)
        low, high = statistics.percentile_interval(column.metric.value(totals), confidence) or (value, value)
    else:
        effect = statistics.design_effect(scores, numbers)
        low, high = wilson_interval(value * count / effect, count / effect, confidence)
    return MetricValue(value=value, low=low, high=high), count


def column_of(
    metric: Metric, rows: Sequence[EvalRow], metrics: Mapping[str, Sequence[str]], predictions: Mapping[str, Prediction]
) -> Column | None:
    """Scores one system by one metric; None where none of its examples is of the metric's kind, or it reads nothing of what is read."""
    num_seeds = max((len(prediction.of_seeds) for prediction in predictions.values()), default=0)
    if num_seeds:
        of_seeds = [{id_: prediction.of_seeds[place] for id_, prediction in predictions.items()} for place in range(num_seeds)]
        columns = [column for one in of_seeds if (column := column_of(metric, rows, metrics, one)) is not None]
        return Column.mean(columns) if columns else None
    asked = [
        (index, row, predictions[row.id])
        for index, row in enumerate(rows)
        if row.id in predictions and metric.applies(row) and metric.name in metrics[row.template]
    ]
    scored = [prediction for _, _, prediction in asked if prediction.state.is_scored]
    if not asked or ("prediction.parts" in metric.reads and scored and all(prediction.parts is None for prediction in scored)):
        return None
    used = [(index, row, prediction) for index, row, prediction in asked if metric.counts(row, prediction)]
    indices = [index for index, _, _ in used]
    used_rows = [row for _, row, _ in used]
    used_predictions = [prediction for _, _, prediction in used]
    made = metric.statistics(used_rows, used_predictions) if used else np.zeros((0, 2))
    sums = np.zeros((len(rows), made.shape[1]))
    sums[indices] = made
    row_scores: list[float | None] = [None] * len(rows)
    for index, score in zip(indices, metric.row_scores(used_rows, used_predictions), strict=True):
        row_scores[index] = score
    return Column(metric, sums, np.asarray(sums.any(axis=1)), row_scores)


def values_of(columns: list[Column], clusters: Clusters, config: EvalsConfig) -> list[MetricValue]:
    """Returns each column's value and interval."""
    if not columns:
        return []
    resampled = [column for column in columns if not _has_closed_form(column)]
    widths = [column.sums.shape[1] for column in resampled]
    parts: list[Array] = []
    if resampled:
        totals = _resample(np.hstack([column.sums for column in resampled]), clusters, config)
        parts = np.split(totals, np.cumsum(widths)[:-1], axis=1)
    of_column = {id(column): part for column, part in zip(resampled, parts, strict=True)}
    return [_value(column, of_column.get(id(column)), clusters, config) for column in columns]


def _has_closed_form(column: Column) -> bool:
    """Says whether the interval takes no resampling: right and wrong, of one seed."""
    return column.is_proportion and len(column.by_seed) < 2


def _value(column: Column, totals: Array | None, clusters: Clusters, config: EvalsConfig) -> MetricValue:
    counted = column.counted
    if not counted.any():
        return NOTHING
    value = float(column.metric.value(column.sums.sum(axis=0)))
    if not math.isfinite(value):  # such as an order of answers of one kind alone
        return NOTHING
    numbers = np.unique(clusters[counted], return_inverse=True)[1]
    num_clusters = int(numbers.max()) + 1
    if _has_closed_form(column):
        effect = statistics.design_effect(column.sums[counted, 0], numbers)
        confidence = config.confidence if num_clusters == len(numbers) else statistics.widened(config.confidence, num_clusters)
        count = counted.sum() / effect
        low, high = wilson_interval(value * count, count, confidence)
        return MetricValue(value=value, low=low, high=high)
    if num_clusters < statistics.FEWEST_CLUSTERS:
        return MetricValue(value=value, low=None, high=None)
    assert totals is not None, "what has no closed form is resampled"
    resampled = column.metric.value(totals)
    bounds = column.metric.value_range or (-np.inf, np.inf)
    if len(column.by_seed) > 1:
        error, _, freedom = statistics.error_with_seeds(float(np.nanstd(resampled)), num_clusters, [_of_seeds(column, counted)])
        low, high = statistics.t_interval(value, error, freedom, config.confidence)
        return MetricValue(value=value, low=max(low, bounds[0]), high=min(high, bounds[1]))
    low, high = _bootstrap_interval(column.metric, resampled, value, statistics.widened(config.confidence, num_clusters), bounds)
    return MetricValue(value=value, low=low, high=high)


def _of_seeds(column: Column, chosen: npt.NDArray[np.bool_]) -> list[float]:
    """Returns what each seed has on some rows."""
    return [float(one.metric.value(one.sums[chosen].sum(axis=0))) for one in column.by_seed]


def _bootstrap_interval(
    metric: Metric, values: Array, point: float, confidence: float, bounds: statistics.Interval = (-np.inf, np.inf)
) -> statistics.Interval:
    if metric.is_biased:
        interval = statistics.basic_interval(values, point, confidence, bounds)
    else:
        interval = statistics.percentile_interval(values, confidence)
    assert interval is not None, "rows with a score give resamples with a value"
    return interval


def _resample(sums: Array, clusters: Clusters, config: EvalsConfig) -> Array:
    return statistics.bootstrap_totals(statistics.cluster_sums(sums, clusters), config.num_resamples, config.seed)


def _compare(a: str, b: str, columns: Mapping[str, Mapping[str, Column]], clusters: Clusters, config: EvalsConfig) -> list[PairReport]:
    """Compares two systems by every metric that both have, and adjusts for the number of metrics."""
    pairs = [difference_of((a, b), columns[a][name], columns[b][name], clusters, config) for name in columns[a] if name in columns[b]]
    tested = [index for index, pair in enumerate(pairs) if pair.p is not None]
    adjusted = holm([pair.p for pair in pairs if pair.p is not None])
    for index, p in zip(tested, adjusted, strict=True):
        pairs[index] = pairs[index].model_copy(update={"p_holm": p})
    return pairs


def difference_of(names: tuple[str, str], left: Column, right: Column, clusters: Clusters, config: EvalsConfig) -> PairReport:
    """Compares two systems by one metric on the examples that both have a score for."""
    a, b = names
    both = left.counted & right.counted
    count = int(both.sum())
    nothing = PairReport(
        a=a, b=b, metric=left.metric.name, difference=None, low=None, high=None, p=None, p_holm=None, test="bootstrap", n=count,
        standard_error=None, smallest_effect=None,
    )  # fmt: skip
    if not count:
        return nothing
    difference = float(left.metric.value(left.sums[both].sum(axis=0)) - right.metric.value(right.sums[both].sum(axis=0)))
    if not math.isfinite(difference):
        return nothing
    found = _compare_on(left, right, both, np.unique(clusters[both], return_inverse=True)[1], config)
    if found is None:
        return nothing.model_copy(update={"difference": difference})
    margin = config.minimum_effect.get(left.metric.name)
    return nothing.model_copy(
        update={
            "difference": difference,
            "low": found.interval[0],
            "high": found.interval[1],
            "p": found.p,
            "p_holm": found.p,
            "test": found.test,
            "standard_error": found.error,
            "seed_error": found.seed_error,
            "smallest_effect": statistics.smallest_effect(found.error, config.confidence) if found.error > 0 else None,
            "equivalent": None if margin is None else statistics.is_within(found.narrower, margin),
        }
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    """A paired difference.

    Attributes:
        interval: at the confidence asked for.
        narrower: at the confidence of two one-sided tests of the same level: less twice the level.
        p: two-sided.
        error: standard error, the seeds' part included.
        test: what gave p.
        seed_error: the part of the error that is the seeds' luck; None where neither side has several seeds.
    """

    interval: statistics.Interval
    narrower: statistics.Interval
    p: float
    error: float
    test: Test
    seed_error: float | None = None


def _compare_on(left: Column, right: Column, both: npt.NDArray[np.bool_], clusters: Clusters, config: EvalsConfig) -> _Compared | None:
    """Compares two columns on the rows that both have a score for; None where there are too few independent ones to say anything."""
    one_sided = 1 - 2 * (1 - config.confidence)
    num_clusters = int(clusters.max()) + 1
    has_seeds = len(left.by_seed) > 1 or len(right.by_seed) > 1
    if left.is_proportion and right.is_proportion and not has_seeds:
        scores = left.sums[both, 0], right.sums[both, 0]
        low, high, p, error, test = _compare_proportions(*scores, clusters, config)
        narrower = _compare_proportions(*scores, clusters, config.model_copy(update={"confidence": one_sided}))[:2]
        return _Compared((low, high), narrower, p, error, test)
    if num_clusters < statistics.FEWEST_CLUSTERS:
        return None
    totals = _resample(np.hstack([left.sums[both], right.sums[both]]), clusters, config)
    width = left.sums.shape[1]
    differences = left.metric.value(totals[:, :width]) - right.metric.value(totals[:, width:])
    value = float(left.metric.value(left.sums[both].sum(axis=0)) - right.metric.value(right.sums[both].sum(axis=0)))
    error = float(np.nanstd(differences))
    if has_seeds:
        of_seeds = [_of_seeds(column, both) for column in (left, right) if len(column.by_seed) > 1]
        error, seed_error, freedom = statistics.error_with_seeds(error, num_clusters, of_seeds)
        wide, narrow = (statistics.t_interval(value, error, freedom, confidence) for confidence in (config.confidence, one_sided))
        return _Compared(wide, narrow, statistics.t_test(value, error, freedom), error, "t_over_seeds", seed_error)
    wide, narrow = (
        _bootstrap_interval(left.metric, differences, value, statistics.widened(confidence, num_clusters))
        for confidence in (config.confidence, one_sided)
    )
    return _Compared(wide, narrow, statistics.bootstrap_sign_p(differences), error, "bootstrap")


def _compare_proportions(
    right_a: Array, right_b: Array, clusters: Clusters, config: EvalsConfig
) -> tuple[float, float, float, float, Test]:
    """Returns interval, p, standard error and test of a difference of right answers."""
    differences = right_a - right_b
    only_a, only_b, count = int((differences > 0).sum()), int((differences < 0).sum()), len(differences)
    effect = statistics.design_effect(differences, clusters)
    num_clusters = int(clusters.max()) + 1
    confidence = config.confidence if num_clusters == count else statistics.widened(config.confidence, num_clusters)
    low, high = statistics.tango_interval(only_a / effect, only_b / effect, count / effect, confidence)
    # Half a pair added to each discordant cell (Agresti and Min 2005): no discordant pair does not mean no uncertainty.
    discordant = only_a + only_b + 1
    error = float(np.sqrt(effect * (discordant - (only_a - only_b) ** 2 / (count + 2))) / (count + 2))
    if num_clusters == count:
        return low, high, statistics.mcnemar_exact(only_a, only_b), error, "mcnemar_exact"
    sums = statistics.cluster_sums(differences[:, None], clusters)[:, 0]
    return low, high, statistics.sign_flip_p(sums, config.num_resamples, config.seed), error, "cluster_sign_flip"
