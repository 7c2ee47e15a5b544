"""Parts of the examples: by template, label, length of the input, source, and what the config declares."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from evals.compare import statistics
from evals.compare.measure import Array, Clusters, Column, Measured, number_clusters, value_of
from evals.data.contract import Confusion, SliceReport
from evals.data.prediction import Prediction
from evals.data.rows import ASKED, EvalRow, Task
from evals.metrics.base import ANSWER_METRICS, RowMetric
from loopwright.statistics import benjamini_hochberg

# Characters of the input: a sentence, a paragraph, and more. Fixed, so that a slice means the same in every evaluation.
_SHORT = 200
_LONG = 1000
# A confusion matrix of more labels is not read as a picture.
_MAX_CONFUSION_LABELS = 30
NO_PATTERNS: Mapping[str, re.Pattern[str]] = MappingProxyType({})


Patterns = Mapping[str, re.Pattern[str]]
"""Name of a declared slice -> what is found in the examples that belong to it."""


def slice_of(row: EvalRow, patterns: Patterns = NO_PATTERNS) -> dict[str, str]:
    """Returns what an example belongs to: template, label where it has one, length, source; of each declared slice yes or no."""
    said = row.question or row.text or ""
    size = len(said)
    length = "short" if size < _SHORT else "medium" if size < _LONG else "long"
    label = {"label": row.reference} if row.task is Task.CLASSIFICATION else {}
    declared = {name: "yes" if pattern.search(said) else "no" for name, pattern in patterns.items()}
    return {"template": row.template, **label, "length": length, "source": row.source, **declared}


def measure_slices(rows: Sequence[EvalRow], measured: Measured, confidence: float, patterns: Patterns = NO_PATTERNS) -> list[SliceReport]:
    """Returns each system's first metric of each task on every slice that is not all of the examples.

    Each is held against the other examples; a system's p-values are adjusted for the number of slices (Benjamini and Hochberg 1995).
    """
    clusters = number_clusters(rows)
    members: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        for pair in slice_of(row, patterns).items():
            members.setdefault(pair, []).append(index)
    reports: list[SliceReport] = []
    for system, columns in measured.columns.items():
        for column in _shown(columns):
            of_column = [
                report
                for (name, value), indices in sorted(members.items())
                if (report := _slice((name, value, system), indices, column, clusters, confidence)) is not None
            ]
            reports += _adjusted(of_column)
    return sorted(reports, key=lambda one: (one.slice, one.value))


def _slice(
    named: tuple[str, str, str], indices: Sequence[int], column: Column, clusters: Clusters, confidence: float
) -> SliceReport | None:
    name, value, system = named
    chosen = np.zeros(len(clusters), dtype=bool)
    chosen[indices] = True
    if chosen.all():
        return None
    score, count = value_of(column, chosen, clusters, confidence)
    if not count:
        return None
    difference, p = _against_the_rest(column, chosen, clusters)
    return SliceReport(
        slice=name, value=value, system=system, metric=column.metric.name, n=count, score=score, difference=difference, p=p
    )  # fmt: skip


def _against_the_rest(column: Column, chosen: npt.NDArray[np.bool_], clusters: Clusters) -> tuple[float | None, float | None]:
    """Returns the mean inside less that outside, with its two-sided p: Fisher's exact test, or by clusters where rows come in some.

    Of metrics that are a sum over a sum alone; the error is that of the ratio, linearised (Cochran 1977, 6.3).
    """
    inside, outside = chosen & column.counted, ~chosen & column.counted
    if not outside.any():
        return None, None
    if column.sums.shape[1] != 2:
        return None, None
    scores, weights = column.sums.T
    means = [scores[chosen].sum() / weights[chosen].sum() for chosen in (inside, outside)]
    difference = float(means[0] - means[1])
    numbers = np.unique(clusters[column.counted], return_inverse=True)[1]
    if column.is_proportion and numbers.max() + 1 == len(numbers):
        return difference, _fisher(scores[inside], scores[outside])
    influence = np.zeros(len(scores))
    for part, mean, sign in ((inside, means[0], 1), (outside, means[1], -1)):
        influence[part] = sign * (scores[part] - mean * weights[part]) / weights[part].sum()
    sums = statistics.cluster_sums(influence[column.counted][:, None], numbers)[:, 0]
    if len(sums) < statistics.FEWEST_CLUSTERS or not sums.any():
        return difference, None
    error = float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)))
    return difference, statistics.t_test(difference, error, len(sums) - 1)


def _fisher(inside: Array, outside: Array) -> float:
    from scipy.stats import fisher_exact

    table = [[inside.sum(), len(inside) - inside.sum()], [outside.sum(), len(outside) - outside.sum()]]
    return float(fisher_exact(np.rint(table).astype(int)).pvalue)


def _adjusted(reports: list[SliceReport]) -> list[SliceReport]:
    tested = [index for index, report in enumerate(reports) if report.p is not None]
    adjusted = benjamini_hochberg([report.p for report in reports if report.p is not None])
    for index, p in zip(tested, adjusted, strict=True):
        reports[index] = reports[index].model_copy(update={"p_adjusted": p})
    return reports


def confusions_of(system: str, rows: Sequence[EvalRow], predictions: Mapping[str, Prediction]) -> list[Confusion]:
    """Returns one confusion matrix a template, right words down and predicted words across."""
    found = []
    for template in dict.fromkeys(row.template for row in rows if row.task is Task.CLASSIFICATION):
        pairs = [
            (row.reference, predictions[row.id].text)
            for row in rows
            if row.template == template
            and row.task is Task.CLASSIFICATION
            and row.id in predictions
            and predictions[row.id].state.is_scored
        ]
        labels = list(dict.fromkeys(choice for row in rows if row.template == template for choice in row.choices or ()))
        if not pairs or len(labels) > _MAX_CONFUSION_LABELS:
            continue
        counts = [[sum(pair == (reference, predicted) for pair in pairs) for predicted in labels] for reference in labels]
        found.append(Confusion(system=system, template=template, labels=labels, counts=counts))
    return found


def _shown(columns: Mapping[str, Column]) -> list[Column]:
    """Picks one metric a task: accuracy, the first metric of written text, and the first of each kind of example that is read."""
    shown = [columns["accuracy"]] if "accuracy" in columns else []
    written = [column for column in columns.values() if Task.GENERATION in column.metric.tasks and isinstance(column.metric, RowMetric)]
    read = [column for column in columns.values() if not column.metric.tasks & ASKED]
    first = [next((column for column in read if task in column.metric.tasks), None) for task in Task]
    shown += [column for column in written if column.metric.name not in {"exact_match", *ANSWER_METRICS}][:1]
    return shown + [column for column in first if column is not None]
