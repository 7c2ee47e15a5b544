"""What a system is in a comparison: what was tuned, what it is held against, and what is merely shown."""

from enum import StrEnum


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
