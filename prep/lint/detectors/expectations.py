"""What a config declares of the data, beside what the data has: judged once, for the rule that reports it and the page that shows it."""

from dataclasses import dataclass
from enum import StrEnum

from loopwright.statistics import wilson_interval


class ExpectationState(StrEnum):
    """Whether the data is as declared."""

    MET = "met"
    THIN = "thin"
    EMPTY = "empty"
    BELOW = "below"
    ABOVE = "above"


@dataclass(frozen=True, slots=True)
class DeclaredSlice:
    """The rows of a slice that was to be covered.

    Attributes:
        field: what the slice is told by.
        value: its value.
        num_rows: the rows to train on that have it.
        total: all rows to train on.
        wanted: the fewest that are declared.
    """

    field: str
    value: str
    num_rows: int
    total: int
    wanted: int

    @property
    def state(self) -> ExpectationState:
        """Whether there are enough."""
        if self.num_rows >= self.wanted:
            return ExpectationState.MET
        return ExpectationState.THIN if self.num_rows else ExpectationState.EMPTY

    @property
    def covered(self) -> float:
        """The part of the wanted rows that is there, in [0, 1]."""
        return min(self.num_rows / self.wanted, 1.0)

    @property
    def share(self) -> float:
        """Its part of the rows to train on."""
        return self.num_rows / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class DeclaredShare:
    """The share of something in the rows, for which bounds are declared.

    Attributes:
        name: what it is the share of.
        count: the rows that have it.
        total: the rows that were looked at.
        lowest: the least share declared.
        highest: the largest.
        template: whose rows were looked at; "" for all.
    """

    name: str
    count: int
    total: int
    lowest: float
    highest: float
    template: str = ""

    @property
    def share(self) -> float:
        """Of the rows, those that have it."""
        return self.count / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the share (Wilson 1927)."""
        return wilson_interval(self.count, self.total)

    @property
    def state(self) -> ExpectationState:
        """Whether the share lies outside of the bounds for certain: its whole interval does."""
        low, high = self.interval
        if self.total and high < self.lowest:
            return ExpectationState.BELOW
        return ExpectationState.ABOVE if self.total and low > self.highest else ExpectationState.MET
