"""Why answers fail: the reasons of their judgements, and what the failing examples have in common."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evals.compare.verdict import format_p
from evals.data.judgement import Reason
from loopwright.console import printable

if TYPE_CHECKING:
    from evals.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class CauseRow:
    """A cause: how many failures have it, and how much commoner it is among them than among what passes."""

    name: str
    count: int
    lift: str
    p: str


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """A reason to fail, and how many answers of each system fail for it."""

    meaning: str
    counts: list[int]


def cause_rows(evaluation: "Evaluation") -> list[CauseRow]:
    """Returns the causes of the failures, the highest lift first."""
    counts = Counter(cause.cause for failure in evaluation.failures for cause, _ in failure.causes)
    causes = {cause.cause: cause for failure in evaluation.failures for cause, _ in failure.causes}
    ordered = sorted(causes.values(), key=lambda cause: (-cause.lift, cause.p))
    return [CauseRow(printable(one.cause), counts[one.cause], f"{one.lift:.2f}", format_p(one.p)) for one in ordered]


def reason_rows(evaluation: "Evaluation") -> list[ReasonRow]:
    """Returns the reasons that any answer fails for; an answer can have several."""
    found: Mapping[str, Counter[Reason]] = {
        system: Counter(reason for one in judged.values() for reason in {reason for reason, _ in one.reasons})
        for system, judged in evaluation.judgements.items()
    }
    return [
        ReasonRow(reason.meaning, [found[system][reason] if system in found else 0 for system in evaluation.answers])
        for reason in Reason
        if any(counts[reason] for counts in found.values())
    ]
