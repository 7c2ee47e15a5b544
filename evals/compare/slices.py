"""Parts of the examples: by template, label and length of the input."""

from collections.abc import Mapping, Sequence

import numpy as np

from evals.compare.measure import Column, Measured, number_clusters, value_of
from evals.data.contract import Confusion, SliceReport
from evals.data.prediction import Prediction
from evals.data.rows import ASKED, EvalRow, Task
from evals.metrics.base import ANSWER_METRICS, RowMetric

# Characters of the input: a sentence, a paragraph, and more. Fixed, so that a slice means the same in every evaluation.
_SHORT = 200
_LONG = 1000
# A confusion matrix of more labels is not read as a picture.
_MAX_CONFUSION_LABELS = 30


def slice_of(row: EvalRow) -> dict[str, str]:
    """Returns what an example belongs to: its template, its label where it has one, and its length."""
    size = len(row.question or row.text or "")
    length = "short" if size < _SHORT else "medium" if size < _LONG else "long"
    label = {"label": row.reference} if row.task is Task.CLASSIFICATION else {}
    return {"template": row.template, **label, "length": length}


def measure_slices(rows: Sequence[EvalRow], measured: Measured, confidence: float) -> list[SliceReport]:
    """Returns each system's first metric of each task on every slice that is not all of the examples."""
    clusters = number_clusters(rows)
    members: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        for pair in slice_of(row).items():
            members.setdefault(pair, []).append(index)
    reports = []
    for (name, value), indices in sorted(members.items()):
        chosen = np.zeros(len(rows), dtype=bool)
        chosen[indices] = True
        if chosen.all():
            continue
        for system, columns in measured.columns.items():
            for column in _shown(columns):
                score, count = value_of(column, chosen, clusters, confidence)
                if count:
                    reports.append(SliceReport(slice=name, value=value, system=system, metric=column.metric.name, n=count, score=score))
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
