"""Geometry of curves and clouds of points, in SVG user units. A page's template draws them, so that every text is escaped there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from loopwright.plots import WIDTH, ticks

_LEFT = 52.0
_RIGHT = WIDTH - 14.0
_TOP = 24.0
_BELOW = 40.0
_X_ROOM, _Y_ROOM = 60.0, 24.0

Point = tuple[float, float]
Style = Literal["line", "faint", "dots"]


@dataclass(frozen=True, slots=True)
class Series:
    """Values over an axis.

    Attributes:
        name: what they are, for the legend.
        points: x and y of each, by rising x.
        colour: which of the colours it has; from the fifth on they come again, dashed.
        style: how it is drawn; `faint` is what a line beside it smooths, `dots` a line with a dot a value, for few of them.
    """

    name: str
    points: Sequence[Point]
    colour: int = 0
    style: Style = "line"


@dataclass(frozen=True, slots=True)
class Curve:
    """A series as it is drawn: the points of a line, and the dots on it with what they say."""

    name: str
    colour: int
    style: Style
    points: str
    dots: list[tuple[float, float, str]]


@dataclass(frozen=True, slots=True)
class Axes:
    """A frame for drawing: what the two axes say, and where they lie.

    Attributes:
        x_ticks: place and label along the lower axis.
        y_ticks: likewise up the side.
        x_name: what the lower axis is of.
        y_name: what the side is of.
        left: where the lower axis begins.
        right: where it ends.
        top: where the side ends.
        base: the y of the lower axis.
    """

    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    x_name: str
    y_name: str
    left: float
    right: float
    top: float
    base: float
    height: float
    width: float = WIDTH


@dataclass(frozen=True, slots=True)
class LinePlot:
    """Curves on common axes.

    Attributes:
        title: for people and screen readers.
        axes: the frame.
        curves: one a series.
        marker: the place of an upright line and what it marks.
    """

    title: str
    axes: Axes
    curves: list[Curve]
    marker: tuple[float, str] | None


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a cloud, and what it says."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """Points of two numbers each, in groups.

    Attributes:
        title: for people and screen readers.
        axes: the frame.
        groups: the name and the dots of each, placed.
    """

    title: str
    axes: Axes
    groups: list[tuple[str, list[Dot]]]


_NO_RANGE = 1e-290
"""Below it, differences of floats have no digits left to tell places apart by."""


class _Scale:
    """Places numbers between two within a stretch of the drawing; numbers that are all the same lie in its middle."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        largest = max(abs(low), abs(high))
        if high - low <= max(1e-9 * largest, _NO_RANGE):  # rounding apart, say
            reach = largest / 2 if largest > _NO_RANGE else 1.0
            low, high = low - reach, high + reach
        self.low, self.high, self._start, self._end = low, high, start, end

    def __call__(self, value: float) -> float:
        return round(self._start + (value - self.low) / (self.high - self.low) * (self._end - self._start), 2)

    def ticks(self, room: float) -> list[tuple[float, str]]:
        """Returns place and label of round numbers that are at least so far from each other."""
        places = [(self(value), _label(value)) for value in ticks(self.low, self.high)]
        apart = abs(places[1][0] - places[0][0]) if len(places) > 1 else room
        return places[:: max(1, math.ceil(room / apart))]


def _label(value: float) -> str:
    """Returns a short text: 5e-4 where 0.0005 would not fit beside an axis."""
    if value and abs(value) < 0.01:
        digits, _, power = f"{value:e}".partition("e")
        return f"{float(digits):g}e{int(power)}"
    return f"{value:,g}"


def line_plot(
    title: str, series: Sequence[Series], *, x_name: str, y_name: str, height: float = 250.0, marker: tuple[float, str] | None = None
) -> LinePlot:
    """Lays out curves, of at least one point in all.

    Args:
        title: of the plot.
        series: what is drawn, the first at the back.
        x_name: what the lower axis is of.
        y_name: what the side is of.
        height: of the whole drawing.
        marker: the x of an upright line, and what it marks.
    """
    points = list(chain.from_iterable(one.points for one in series))
    base = height - _BELOW
    xs, ys = [x for x, _ in points] + ([] if marker is None else [marker[0]]), [y for _, y in points]
    across, up = _Scale(min(xs), max(xs), _LEFT, _RIGHT), _Scale(min(ys), max(ys), base, _TOP)
    curves = []
    for one in series:
        placed = [(across(x), up(y)) for x, y in one.points]
        dots = [(*place, f"{one.name}, {x_name} {x:,g}: {y:.4g}") for place, (x, y) in zip(placed, one.points, strict=True)]
        text = " ".join(f"{x:g},{y:g}" for x, y in placed)
        curves.append(Curve(one.name, one.colour, one.style, text, dots if one.style == "dots" or len(dots) == 1 else []))
    axes = Axes(across.ticks(_X_ROOM), up.ticks(_Y_ROOM), x_name, y_name, _LEFT, _RIGHT, _TOP, base, height)
    return LinePlot(title, axes, curves, None if marker is None else (across(marker[0]), marker[1]))


def cloud(title: str, groups: Sequence[tuple[str, Sequence[Dot]]], *, x_name: str, y_name: str, height: float = 400.0) -> Cloud:
    """Lays out points whose y lies in [0, 1] and whose x begins at 0.

    Args:
        title: of the plot.
        groups: the name and the points of each group.
        x_name: what the lower axis is of.
        y_name: what the side is of.
        height: of the whole drawing.
    """
    base = height - _BELOW
    highest = max((dot.x for _, dots in groups for dot in dots), default=0.0)
    across = _Scale(0.0, highest or 1.0, _LEFT + 8, _RIGHT - 8)
    up = _Scale(0.0, 1.0, base, _TOP)
    placed = [(name, [Dot(across(dot.x), up(dot.y), dot.title) for dot in dots]) for name, dots in groups]
    return Cloud(title, Axes(across.ticks(_X_ROOM), up.ticks(_Y_ROOM), x_name, y_name, _LEFT, _RIGHT, _TOP, base, height), placed)


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """Returns points of which no more than so many are left: of each stretch the lowest and the highest, so that no peak is lost."""
    if len(points) <= most:
        return list(points)
    num_stretches = max(most // 2, 1)
    kept: list[Point] = []
    for index in range(num_stretches):
        start, end = (len(points) * place // num_stretches for place in (index, index + 1))
        stretch = range(start, end)
        ends = {min(stretch, key=lambda place: points[place][1]), max(stretch, key=lambda place: points[place][1])}
        kept += [points[place] for place in sorted(ends)]
    return kept
