"""Which labels are taken for which: a matrix where it can be read, and of many labels a list of the pairs most often confused."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evals.data.contract import Confusion
from evals.data.role import Role
from evals.data.rows import Task
from loopwright.console import printable
from prep.pii import mask

if TYPE_CHECKING:
    from evals.evaluation import Evaluation

_MAX_MATRIX = 12
_MAX_PAIRS = 10
_SHADES = 10


@dataclass(frozen=True, slots=True)
class Cell:
    """A count in a matrix, whether it is of right answers, and its share of its row as a step from 0 to 10."""

    count: int
    is_right: bool
    shade: int


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """A label that was taken for another: how often, of how many of it."""

    label: str
    taken_for: str
    count: int
    num_of_label: int


@dataclass(frozen=True, slots=True)
class ConfusionView:
    """What one system confuses in the examples of one template.

    Attributes:
        system: what it is called.
        template: the template.
        labels: of the matrix; empty where there are too many for one.
        matrix: a row for each right label.
        pairs: those most often confused.
        num_pairs: how many pairs are confused at all.
        num_wrong: the wrong answers.
        num_answers: the answers with a score.
        is_folded: the system is a baseline, and nothing rests on it.
    """

    system: str
    template: str
    labels: list[str]
    matrix: list[tuple[str, list[Cell]]]
    pairs: list[ConfusedPair]
    num_pairs: int
    num_wrong: int
    num_answers: int
    is_folded: bool


def confusion_views(evaluation: "Evaluation", names: Mapping[str, str], system: str) -> list[ConfusionView]:
    """Returns what each system confuses, by template.

    Args:
        evaluation: what was found.
        names: what each system is called.
        system: the one that the report is about.
    """
    matrices = {(one.system, one.template): one for one in evaluation.report.confusions}
    templates = dict.fromkeys(row.template for row in evaluation.rows if row.task is Task.CLASSIFICATION)
    views = []
    for label, report in evaluation.report.systems.items():
        for template in templates:
            answers = [
                (row.reference, prediction.text or "")
                for row in evaluation.rows
                if row.template == template and row.task is Task.CLASSIFICATION
                if (prediction := evaluation.answers[label].get(row.id)) is not None and prediction.state.is_scored
            ]
            if answers:
                is_folded = report.role is Role.BASELINE and label != system
                views.append(_view(printable(names[label]), template, answers, matrices.get((label, template)), is_folded=is_folded))
    return views


def _view(system: str, template: str, answers: list[tuple[str, str]], matrix: Confusion | None, *, is_folded: bool) -> ConfusionView:
    totals = Counter(reference for reference, _ in answers)
    wrong = Counter(pair for pair in answers if pair[0] != pair[1])
    is_small = matrix is not None and len(matrix.labels) <= _MAX_MATRIX
    return ConfusionView(
        system=system,
        template=printable(template),
        labels=[_shown(label) for label in matrix.labels] if matrix is not None and is_small else [],
        matrix=_cells(matrix) if matrix is not None and is_small else [],
        pairs=[
            ConfusedPair(_shown(label), _shown(other), count, totals[label])
            for (label, other), count in sorted(wrong.items(), key=lambda item: (-item[1], item[0]))[:_MAX_PAIRS]
        ],
        num_pairs=len(wrong),
        num_wrong=wrong.total(),
        num_answers=len(answers),
        is_folded=is_folded,
    )


def _cells(matrix: Confusion) -> list[tuple[str, list[Cell]]]:
    rows = []
    for index, (label, counts) in enumerate(zip(matrix.labels, matrix.counts, strict=True)):
        total = sum(counts) or 1
        rows.append((_shown(label), [Cell(count, column == index, round(count / total * _SHADES)) for column, count in enumerate(counts)]))
    return rows


def _shown(label: str) -> str:
    return printable(mask(label))
