"""What kind of texts the written answers of each template are: a wrong label, code or name is wrong, another sentence is not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evals.data.rows import EvalRow, Task
from prep.infer.labels import are_exact, are_labels


@dataclass(frozen=True, slots=True)
class ReferenceKinds:
    """The templates whose written answers are more than free text.

    Attributes:
        labels: those whose train answers are labels, though they have no choices: baselines predict them, and any other is wrong.
        exact: those whose answers are labels, codes or a few words, so that `exact_match` tells right from wrong.
    """

    labels: frozenset[str] = frozenset()
    exact: frozenset[str] = frozenset()

    @classmethod
    def of(cls, rows: Sequence[EvalRow], train_rows: Sequence[EvalRow]) -> "ReferenceKinds":
        """Tells them by the answers of the train split and of the evaluated one; what is a label is told by train alone."""
        train = _answers(train_rows)
        labels = frozenset(template for template, counts in train.items() if are_labels(counts))
        known = _answers([*train_rows, *rows])
        return cls(labels, labels | {template for template, counts in known.items() if are_exact(list(counts.elements()))})

    def has_label(self, row: EvalRow) -> bool:
        """Whether an example's written answer is a label."""
        return row.task is Task.GENERATION and row.template in self.labels


def _answers(rows: Sequence[EvalRow]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for row in rows:
        if row.task is Task.GENERATION:
            found.setdefault(row.template, Counter())[row.reference] += 1
    return found
