"""Predictions that are wrong, joined to their row, slice, causes and nearest training rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evals.causes.weigh import Background, Cause, Evidence, TrainCounts, far_threshold, gather_evidence, weigh_causes
from evals.compare.measure import Measured
from evals.compare.slices import slice_of
from evals.data.judgement import Judgement, Reason
from evals.data.neighbours import Neighbour, find_neighbours
from evals.data.prediction import Prediction
from evals.data.rows import EvalRow
from evals.data.tool_answers import judge_calls
from evals.systems.base import EvalContext


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
        reasons: why it counts as wrong, each with what was seen.
    """

    row: EvalRow
    system: str
    prediction: Prediction
    scores: dict[str, float]
    slices: dict[str, str]
    causes: list[tuple[Cause, str]]
    neighbours: list[Neighbour]
    reasons: tuple[tuple[Reason, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the object that failures.jsonl holds."""
        calls = judge_calls(self.row, self.prediction)
        return {
            "id": self.row.id,
            "row_id": self.row.row_id,
            "split": self.row.split,
            "system": self.system,
            "template": self.row.template,
            "prediction": self.prediction.text,
            "reference": self.row.reference,
            "state": self.prediction.state.value,
            "reasons": [{"reason": reason.value, "detail": detail} for reason, detail in self.reasons],
            "calls": None if calls is None else {"state": calls.state.value, "detail": calls.detail},
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
    system: str,
    context: EvalContext,
    predictions: Mapping[str, Prediction],
    measured: Measured,
    *,
    judgements: Mapping[str, Judgement],
    lint: Mapping[str, Mapping[str, str]],
) -> list[Failure]:
    """Returns the failures of one system in the order of the rows, with their causes.

    Args:
        system: whose failures.
        context: all examples (those that passed are what the causes are weighed against) and those of the train split.
        predictions: the system's, by example id.
        measured: the system's scores.
        judgements: which of them fail, by example id.
        lint: example id -> lint code -> message.
    """
    answered = [(index, row) for index, row in enumerate(context.rows) if row.id in predictions]
    neighbours = find_neighbours([row for _, row in answered], context.train_rows, context.config.num_neighbours)
    background = Background(TrainCounts(context.train_rows), lint, far_threshold(neighbours.values()), context.kinds)
    evidence = {row.id: gather_evidence(row, predictions[row.id], neighbours[row.id], background) for _, row in answered}
    failed = [(index, row) for index, row in answered if judgements[row.id].has_failed]
    passed = [evidence[row.id] for _, row in answered if not judgements[row.id].has_failed]
    causes = weigh_causes([evidence[row.id] for _, row in failed], passed)
    return [
        Failure(
            row=row,
            system=system,
            prediction=predictions[row.id],
            scores=measured.scores_of(system, index),
            slices=slice_of(row),
            causes=_rank(evidence[row.id], causes),
            neighbours=neighbours[row.id],
            reasons=judgements[row.id].reasons,
        )
        for index, row in failed
    ]


def _rank(evidence: Evidence, causes: Mapping[str, Cause]) -> list[tuple[Cause, str]]:
    held = [(causes[cause], detail) for cause, detail in evidence.items()]
    return sorted(held, key=lambda pair: (-pair[0].lift, pair[0].p, pair[0].cause))
