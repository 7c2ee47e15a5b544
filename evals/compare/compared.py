"""What was compared and what came of it: what headline and gates are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evals.data.contract import BaselineComparison, MetricValue, PairReport
from evals.data.judgement import Judgement
from evals.data.role import Role
from evals.data.rows import EvalRow


@dataclass(frozen=True, slots=True)
class Compared:
    """Systems on the same examples.

    Attributes:
        rows: the examples.
        roles: what each system is compared as, in the order asked for.
        values: system -> metric -> value.
        pairs: all comparisons.
        judgements: system -> example id -> what is thought of its answer.
        primary: the metric that decides.
        confidence: of the intervals; 1 - confidence is the level of the tests.
        last_round: metric -> the tuned system against that of the round before; empty outside a loop and in its first round.
    """

    rows: Sequence[EvalRow]
    roles: Mapping[str, Role]
    values: Mapping[str, Mapping[str, MetricValue]]
    pairs: Sequence[PairReport]
    judgements: Mapping[str, Mapping[str, Judgement]]
    primary: str
    confidence: float
    last_round: Mapping[str, BaselineComparison] = field(default_factory=dict)

    @property
    def level(self) -> float:
        """Of the tests."""
        return 1 - self.confidence

    @property
    def subject(self) -> str:
        """The system that the report is about."""
        return subject_of(self.roles)


def subject_of(roles: Mapping[str, Role]) -> str:
    """Returns the system whose mistakes are worth mending: the tuned one, else its base, else the first that answered."""
    return next((label for wanted in (Role.TUNED, Role.BASE) for label, role in roles.items() if role is wanted), next(iter(roles)))
