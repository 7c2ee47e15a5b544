"""What a proof says: one claim about a run, measured."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

NOT_APPLICABLE: Literal["not applicable"] = "not applicable"


class Proof(BaseModel):
    """One claim about a run, what was measured, and what was allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    passed: bool | Literal["not applicable"]
    """Whether it holds; `not applicable` where it does not fit the run, or what it takes is not there."""
    value: float | None = None
    """What was measured; null where nothing was."""
    tolerance: float | None = None
    """The limit that decided; the reason says which side of it is good where that is not plain."""
    reason: str
    """What was compared, and how it came out, in a sentence or two."""

    @classmethod
    def not_applicable(cls, reason: str) -> Self:
        """Returns a proof that could not be made, and why."""
        return cls(passed=NOT_APPLICABLE, reason=reason)

    @classmethod
    def at_most(cls, value: float, tolerance: float, reason: str) -> Self:
        """Returns a proof that holds where a value does not exceed its tolerance; a value that is no number does."""
        return cls(passed=value <= tolerance, value=value, tolerance=tolerance, reason=reason)

    @classmethod
    def at_least(cls, value: float, tolerance: float, reason: str) -> Self:
        """Returns a proof that holds where a value reaches its tolerance."""
        return cls(passed=value >= tolerance, value=value, tolerance=tolerance, reason=reason)


def failed_proofs(proofs: Mapping[str, Proof]) -> dict[str, Proof]:
    """Returns the proofs that do not hold."""
    return {name: proof for name, proof in proofs.items() if proof.passed is False}


def proofs_summary(proofs: Mapping[str, Proof]) -> str:
    """Returns how many proofs hold, for people, and what is wrong with those that do not, a line each."""
    failed = failed_proofs(proofs)
    num_passed = sum(proof.passed is True for proof in proofs.values())
    counts = f"Proofs: {num_passed} passed, {len(failed)} failed, {len(proofs) - num_passed - len(failed)} not applicable."
    return "\n".join([counts, *(f"FAILED {name}: {proof.reason}" for name, proof in failed.items())])
