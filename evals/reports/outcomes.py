"""Which system a report is about, what it is held against, and how each answer is judged."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from evals.data.judgement import Judgement, Outcome
from evals.data.role import Role
from evals.data.rows import EvalRow, Task

if TYPE_CHECKING:
    from evals.evaluation import Evaluation


class Change(StrEnum):
    """What became of an example from one system to the other. In the order in which a report shows them."""

    BROKEN = "broken"
    FIXED = "fixed"
    BOTH_WRONG = "both wrong"
    FAILED = "failed"  # where there is nothing to hold it against
    WEAK = "weak"
    RIGHT = "right"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How the answers of an evaluation are judged.

    Attributes:
        system: the one that the report is about.
        against: where it started, else what it is compared with; None where it is alone.
    """

    evaluation: "Evaluation"
    system: str
    against: str | None
    _looked_into: str
    _failed: frozenset[str]

    @classmethod
    def of(cls, evaluation: "Evaluation") -> "Outcomes":
        """Takes the systems of the headline; of an evaluation without one those of the verdict, else the tuned one and its base."""
        report, failures = evaluation.report, evaluation.failures
        looked_into = failures[0].system if failures else _first(evaluation)
        if report.headline is not None:
            system, against = report.headline.system, report.headline.against
        else:
            system = report.verdict_detail.a or looked_into
            against = report.verdict_detail.b or _base(evaluation, system)
        return cls(evaluation, system, against, looked_into, frozenset(failure.row.id for failure in failures))

    def judgement(self, system: str, row: EvalRow) -> Judgement | None:
        """Returns what is thought of an answer; None where nothing is, as of free text of an evaluation without judgements."""
        found = self.evaluation.judgements.get(system, {}).get(row.id)
        if found is not None or system in self.evaluation.judgements:
            return found
        prediction = self.evaluation.answers.get(system, {}).get(row.id)
        if prediction is None:
            return None
        if system == self._looked_into:
            has_failed: bool | None = row.id in self._failed
        elif not prediction.state.is_scored:
            has_failed = True
        else:
            has_failed = prediction.text != row.reference if row.task is Task.CLASSIFICATION else None
        return None if has_failed is None else Judgement(Outcome.FAILED if has_failed else Outcome.PASSED)

    def change(self, row: EvalRow) -> Change:
        """Returns what became of an example."""
        own = self.judgement(self.system, row)
        other = None if self.against is None else self.judgement(self.against, row)
        if own is None:
            return Change.NOT_JUDGED
        if other is not None and other.has_failed:
            return Change.BOTH_WRONG if own.has_failed else Change.FIXED
        if own.has_failed:
            return Change.FAILED if other is None else Change.BROKEN
        return Change.WEAK if own.outcome is Outcome.WEAK else Change.RIGHT


def _first(evaluation: "Evaluation") -> str:
    roles = {label: system.role for label, system in evaluation.report.systems.items()}
    return next((label for wanted in (Role.TUNED, Role.BASE) for label, role in roles.items() if role is wanted), next(iter(roles)))


def _base(evaluation: "Evaluation", system: str) -> str | None:
    roles = {label: report.role for label, report in evaluation.report.systems.items() if label != system}
    return next((label for label, role in roles.items() if role is Role.BASE), next(iter(roles), None))
