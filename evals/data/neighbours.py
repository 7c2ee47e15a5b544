"""The training examples that are nearest to an evaluated one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evals.data.rows import EvalRow
from evals.data.tfidf import text_features

_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training example near an evaluated one.

    Attributes:
        row: the training example.
        similarity: cosine of the two inputs' TF-IDF vectors, in [0, 1].
        same_answer: it teaches the evaluated example's right answer.
    """

    row: EvalRow
    similarity: float
    same_answer: bool


def find_neighbours(rows: Sequence[EvalRow], train_rows: Sequence[EvalRow], number: int) -> dict[str, list[Neighbour]]:
    """Returns the nearest training examples of the same template for each example, nearest first, by example id.

    Inputs are compared, never answers: an example is near what looks like it when the model has to answer.
    """
    found: dict[str, list[Neighbour]] = {row.id: [] for row in rows}
    for template in dict.fromkeys(row.template for row in rows):
        candidates = [row for row in train_rows if row.template == template and row.question.strip()]
        asked = [row for row in rows if row.template == template]
        if candidates:
            found |= _nearest(asked, candidates, number)
    return found


def _nearest(rows: Sequence[EvalRow], candidates: Sequence[EvalRow], number: int) -> dict[str, list[Neighbour]]:
    from sklearn.preprocessing import normalize

    texts = [row.question for row in candidates]
    features = text_features(texts)
    known = normalize(features.fit_transform(texts))
    asked = normalize(features.transform([row.question for row in rows]))
    found: dict[str, list[Neighbour]] = {}
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        similarities = (asked[start : start + _ROWS_AT_ONCE] @ known.T).toarray()
        # Stable: of equally near examples the earlier comes first, on every machine.
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :number]
        for row, nearest, values in zip(rows[start : start + _ROWS_AT_ONCE], order, similarities, strict=False):
            found[row.id] = [_neighbour(row, candidates[index], float(values[index])) for index in nearest]
    return found


def _neighbour(row: EvalRow, candidate: EvalRow, similarity: float) -> Neighbour:
    return Neighbour(candidate, min(max(similarity, 0.0), 1.0), candidate.reference == row.reference)
