"""Whether an answer passes, fails or is merely weak, and why."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How an answer is judged."""

    PASSED = "passed"
    WEAK = "weak"  # free text among the weakest tenth of its template: shown, never counted as a failure
    FAILED = "failed"


class Reason(StrEnum):
    """Why an answer fails."""

    NO_ANSWER = "no_answer"
    WRONG_CHOICE = "wrong_choice"
    NOT_EXACT = "not_exact"
    WRONG_CALL = "wrong_call"
    LOW_SCORE = "low_score"
    INVALID_FORMAT = "invalid_format"
    LOST_FACT = "lost_fact"
    UNSUPPORTED_FACT = "unsupported_fact"

    @property
    def meaning(self) -> str:
        """What is wrong, in words."""
        return _MEANINGS[self]


_MEANINGS = {
    Reason.NO_ANSWER: "there is no answer that can be scored",
    Reason.WRONG_CHOICE: "another choice than the right one",
    Reason.NOT_EXACT: "not the expected label, code or few words",
    Reason.WRONG_CALL: "not the expected calls of tools",
    Reason.LOW_SCORE: "a score under its threshold",
    Reason.INVALID_FORMAT: "not in the format that is asked for",
    Reason.LOST_FACT: "a fact of the reference, which the source holds, is missing",
    Reason.UNSUPPORTED_FACT: "a fact that neither the source nor the reference holds",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is thought of one answer.

    Attributes:
        outcome: passed, weak or failed.
        reasons: why it failed, each with what was seen where the reason does not say it all; empty for all others.
    """

    outcome: Outcome
    reasons: tuple[tuple[Reason, str], ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether it counts as a failure."""
        return self.outcome is Outcome.FAILED
