"""Geometry of the report's plots, in SVG user units. The page's template draws them, so that every text is escaped there."""

from collections.abc import Sequence
from dataclasses import dataclass

from loopwright.plots import WIDTH, shorten_label, ticks

_LABEL_WIDTH = 182.0
_VALUE_WIDTH = 165.0
_ROW_HEIGHT = 30.0
_AXIS_HEIGHT = 26.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval, to be plotted.

    Attributes:
        label: what it is of.
        kind: a style class: a system's role, or better, worse or unclear.
        value: the point.
        low: lower end of the interval.
        high: upper end.
        text: the numbers as words.
    """

    label: str
    kind: str
    value: float
    low: float
    high: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An estimate's place in a plot."""

    estimate: Estimate
    short_label: str
    y: float
    x: float
    low_x: float
    high_x: float


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot of intervals, one estimate a line.

    Attributes:
        title: for people and screen readers.
        width: of the view box.
        height: of the view box.
        left: where the axis begins.
        right: where it ends.
        marks: the estimates.
        ticks: place and label of each tick.
        zero_x: where zero lies, in a plot of differences.
    """

    title: str
    width: float
    height: float
    left: float
    right: float
    marks: list[Mark]
    ticks: list[tuple[float, str]]
    zero_x: float | None


def interval_plot(title: str, estimates: Sequence[Estimate], *, differences: bool = False) -> Plot:
    """Lays out estimates on a common axis: from 0 to 1 where all values lie there, symmetric around 0 for differences."""
    low = min(min(estimate.low, estimate.value) for estimate in estimates)
    high = max(max(estimate.high, estimate.value) for estimate in estimates)
    if differences:
        reach = max(abs(low), abs(high), 0.01) * 1.08
        low, high = -reach, reach
    else:
        low, high = min(0.0, low), max(1.0, high)
    left, right = _LABEL_WIDTH, WIDTH - _VALUE_WIDTH

    def place(value: float) -> float:
        return round(left + (value - low) / (high - low) * (right - left), 2)

    marks = [
        Mark(
            estimate,
            shorten_label(estimate.label),
            y=_ROW_HEIGHT * (index + 0.5),
            x=place(estimate.value),
            low_x=place(estimate.low),
            high_x=place(estimate.high),
        )
        for index, estimate in enumerate(estimates)
    ]
    places = [(place(value), f"{value:+g}" if differences and value else f"{value:g}") for value in ticks(low, high)]
    height = _ROW_HEIGHT * len(marks) + _AXIS_HEIGHT
    return Plot(title, WIDTH, height, left, right, marks, places, place(0.0) if differences else None)
