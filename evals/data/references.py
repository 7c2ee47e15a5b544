"""What kind of texts the written answers of each template are: a wrong label, code or name is wrong, another sentence is not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evals.data.json_answers import is_json, read_json, texts_of
from evals.data.rows import EvalRow, Task
from prep.infer.labels import are_exact, are_labels

_NEARLY_ALL = 0.9


@dataclass(frozen=True, slots=True)
class ReferenceKinds:
    """The templates whose written answers are more than free text.

    Attributes:
        labels: those whose train answers are labels, though they have no choices: baselines predict them, and any other is wrong.
        exact: those whose answers are labels, codes or a few words, so that `exact_match` tells right from wrong; of JSON, whose texts are.
        json: those whose answers in words are JSON objects or lists, nearly all of them.
        calls: those of which an answer calls a tool.
        mostly_calls: those of which at least half do.
    """

    labels: frozenset[str] = frozenset()
    exact: frozenset[str] = frozenset()
    json: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    mostly_calls: frozenset[str] = frozenset()

    @classmethod
    def of(cls, rows: Sequence[EvalRow], train_rows: Sequence[EvalRow]) -> "ReferenceKinds":
        """Tells them by the answers of the train split and of the evaluated one; what is a label is told by train alone."""
        train = _answers(train_rows)
        labels = frozenset(template for template, counts in train.items() if are_labels(counts))
        known = _answers([*train_rows, *rows])
        json = frozenset(template for template, counts in known.items() if _are_json(counts))
        exact = {
            template for template, counts in known.items() if are_exact(_texts(counts) if template in json else list(counts.elements()))
        }
        calling = Counter(row.template for row in (*train_rows, *rows) if row.calls)
        mostly = {template for template, count in calling.items() if count >= known.get(template, Counter()).total()}
        return cls(labels, labels | exact, json, frozenset(calling), frozenset(mostly))

    def has_label(self, row: EvalRow) -> bool:
        """Whether an example's written answer is a label."""
        return row.task is Task.GENERATION and row.template in self.labels


def _are_json(counts: Counter[str]) -> bool:
    return sum(count for answer, count in counts.items() if is_json(answer)) >= _NEARLY_ALL * counts.total()


def _texts(counts: Counter[str]) -> list[str]:
    """Returns the texts that stand in JSON answers; of answers without any that of nothing, which is no sentence."""
    return [text for answer in counts.elements() for text in texts_of(read_json(answer)[1])] or [""]


def _answers(rows: Sequence[EvalRow]) -> dict[str, Counter[str]]:
    """Returns the answers in words of each template; calls of tools are none."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        if row.task is Task.GENERATION and not row.calls:
            found.setdefault(row.template, Counter())[row.reference] += 1
    return found
