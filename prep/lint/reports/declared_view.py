"""How the page draws declared shares: the tables, and the marks of a share on an axis of 100 units."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from prep.lint.detectors.expectations import DeclaredShare
from prep.lint.reports.declared import Declared
from prep.lint.reports.text import format_share

_AXIS_ENDS = (0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class ShareTable:
    """The declared shares of one kind.

    Attributes:
        title: what they are shares of.
        code: the rule that reports them.
        shares: the shares.
        axis_end: the share at which their axis ends; it begins at 0.
    """

    title: str
    code: str
    shares: tuple[DeclaredShare, ...]
    axis_end: float

    @property
    def by_template(self) -> bool:
        """Whether some of them are a template's."""
        return any(one.template for one in self.shares)


@dataclass(frozen=True, slots=True)
class Mark:
    """A bar on an axis that is 100 units long and 12 high; its name tells what it means."""

    name: str
    x: float
    width: float
    y: float
    height: float


def share_tables(declared: Declared) -> list[ShareTable]:
    """Returns the tables of declared shares that there are."""
    kinds = (("Shares of labels", "BAL101", declared.labels), ("Answer shares in production", "BAL102", declared.priors))
    return [ShareTable(title, code, shares, _axis_end(shares)) for title, code, shares in kinds if shares]


def share_marks(one: DeclaredShare, axis_end: float) -> list[Mark]:
    """Returns the declared band, the interval of what was found, and the share itself."""

    def across(low: float, high: float, narrowest: float) -> tuple[float, float]:
        width = max((high - low) / axis_end * 100, narrowest)
        middle = (low + high) / 2 / axis_end * 100
        return round(min(max(middle - width / 2, 0.0), 100 - width), 2), round(width, 2)

    return [
        Mark("band", *across(one.lowest, one.highest, 2), 0, 12),
        Mark("interval", *across(*one.interval, 1), 5, 2),
        Mark("share", *across(one.share, one.share, 2), 1, 10),
    ]


def say_bounds(one: DeclaredShare) -> str:
    """Returns what is declared: `40 to 60%`."""
    low, high = f"{one.lowest * 100:.3g}", f"{one.highest * 100:.3g}"
    return f"{low}%" if low == high else f"{low} to {high}%"


def say_interval(one: DeclaredShare) -> str:
    """Returns what was found beside what is declared, for those who do not see the marks."""
    low, high = one.interval
    return f"{format_share(one.share)} (95% interval {format_share(low)} to {format_share(high)}), {say_bounds(one)} declared"


def whole_share(share: float) -> str:
    """Returns a share in whole per cent, rounded down: 100% is all of it."""
    return f"{math.floor(share * 100 + 1e-9)}%"


def _axis_end(shares: Iterable[DeclaredShare]) -> float:
    largest = max(max(one.highest, one.interval[1]) for one in shares)
    return next(end for end in _AXIS_ENDS if end >= largest)
