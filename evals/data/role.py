"""What a system is in a comparison: what was tuned, what it is held against, and what is merely shown."""

from enum import StrEnum

from loopwright.errors import UserError


class Role(StrEnum):
    """What a system is compared as. It decides the order of the pairs, the colour in plots and the part in the verdict."""

    TUNED = "tuned"
    BASE = "base"
    BASELINE = "baseline"
    OTHER = "other"

    @property
    def rank(self) -> int:
        """The place in the order of pairs, from 0."""
        return list(Role).index(self)

    @property
    def part(self) -> str:
        """What such a system is there for, in one clause."""
        return {
            Role.TUNED: "what training made; the verdict is about the first of them",
            Role.BASE: "the model that was tuned, as it came; the verdict compares with it",
            Role.BASELINE: "plain and cheap: a model that is no better has learnt nothing worth its cost; decides where nothing is tuned",
            Role.OTHER: "few-shot, retrieval, endpoints, other base models: shown and paired, never in the verdict",
        }[self]


def role_of_earlier_name(name: str) -> Role:
    """Returns the role of a system that was evaluated before roles were written beside the names.

    Those names were `base`, `adapter:RUN`, `constant` and `linear`, and nothing in them was ever quoted.

    Raises:
        UserError: it is no such name.
    """
    role = {"base": Role.BASE, "adapter": Role.TUNED, "constant": Role.BASELINE, "linear": Role.BASELINE}.get(name.partition(":")[0])
    if role is None:
        raise UserError(f"nothing says what the system '{name}' was compared as", remedy="Evaluate again: evals run.")
    return role
