"""Predictions that are wrong, joined to their row, slice, causes and nearest training rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evals.causes.weigh import Background, Cause, Evidence, TrainCounts, far_threshold, gather_evidence, weigh_causes
from evals.compare.measure import Measured
from evals.compare.slices import slice_of
from evals.data.neighbours import Neighbour, find_neighbours
from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.systems.base import EvalContext

_EXACT_MATCH = "exact_match"


@dataclass(frozen=True, slots=True)
class Failure:
    """One wrong prediction.

    Attributes:
        row: the example.
        system: whose prediction it is.
        prediction: what the system said.
        scores: metric -> score of the example.
        slices: what the example belongs to.
        causes: those that hold for it, the highest lift first, each with what was seen.
        neighbours: nearest training examples, nearest first.
    """

    row: EvalRow
    system: str
    prediction: Prediction
    scores: dict[str, float]
    slices: dict[str, str]
    causes: list[tuple[Cause, str]]
    neighbours: list[Neighbour]

    def to_json(self) -> dict[str, Any]:
        """Returns the object that failures.jsonl holds."""
        return {
            "id": self.row.id,
            "row_id": self.row.row_id,
            "split": self.row.split,
            "system": self.system,
            "template": self.row.template,
            "prediction": self.prediction.text,
            "reference": self.row.reference,
            "state": self.prediction.state.value,
            "scores": self.scores,
            "slice": self.slices,
            "causes": [
                {"cause": cause.cause, "lift": round(cause.lift, 4), "p": cause.p, "detail": detail} for cause, detail in self.causes
            ],
            "neighbours": [
                {
                    "id": neighbour.row.id,
                    "row_id": neighbour.row.row_id,
                    "similarity": round(neighbour.similarity, 4),
                    "answer": neighbour.row.reference,
                    "same_answer": neighbour.same_answer,
                }
                for neighbour in self.neighbours
            ],
        }


def find_failures(
    system: str, context: EvalContext, predictions: Mapping[str, Prediction], measured: Measured, lint: Mapping[str, Mapping[str, str]]
) -> list[Failure]:
    """Returns the failures of one system in the order of the rows, with their causes.

    Args:
        system: whose failures.
        context: all examples (those that passed are what the causes are weighed against) and those of the train split.
        predictions: the system's, by example id.
        measured: the system's scores.
        lint: example id -> lint code -> message.
    """
    answered = [(index, row) for index, row in enumerate(context.rows) if row.id in predictions]
    neighbours = find_neighbours([row for _, row in answered], context.train_rows, context.config.num_neighbours)
    background = Background(TrainCounts(context.train_rows), lint, far_threshold(neighbours.values()), context.kinds)
    evidence = {row.id: gather_evidence(row, predictions[row.id], neighbours[row.id], background) for _, row in answered}
    scores = {row.id: measured.scores_of(system, index) for index, row in answered}
    failed = [row for _, row in answered if _has_failed(row, predictions[row.id], scores[row.id], context)]
    failed_ids = {row.id for row in failed}
    causes = weigh_causes([evidence[row.id] for row in failed], [evidence[row.id] for _, row in answered if row.id not in failed_ids])
    return [
        Failure(row, system, predictions[row.id], scores[row.id], slice_of(row), _rank(evidence[row.id], causes), neighbours[row.id])
        for row in failed
    ]


def _has_failed(row: EvalRow, prediction: Prediction, scores: Mapping[str, float], context: EvalContext) -> bool:
    """A wrong choice or label, the other answer of a pair ahead, a score under its threshold, or no score at all."""
    if not prediction.state.is_scored:
        return True
    if row.task is Task.PREFERENCE and prediction.text is not None and prediction.text != row.reference:
        return True
    if (row.task is Task.CLASSIFICATION or context.kinds.has_label(row)) and prediction.text != row.reference:
        return True
    exact = {_EXACT_MATCH: 1.0} if row.template in context.kinds.exact else {}
    fail_below = exact | context.config.fail_below
    return any(score < fail_below[metric] for metric, score in scores.items() if metric in fail_below)


def _rank(evidence: Evidence, causes: Mapping[str, Cause]) -> list[tuple[Cause, str]]:
    held = [(causes[cause], detail) for cause, detail in evidence.items()]
    return sorted(held, key=lambda pair: (-pair[0].lift, pair[0].p, pair[0].cause))
