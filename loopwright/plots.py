"""Geometry of the pages' plots, in SVG user units. A page's template draws them, so that every text is escaped there."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH = 600.0
_LABEL_WIDTH = 170.0
_VALUE_WIDTH = 112.0
_AXIS_HEIGHT = 26.0
_MAX_LABEL = 22
_NUM_TICKS = 5
_BAR_HEIGHT = 9.0
_ROW_GAP = 11.0
_HISTOGRAM_HEIGHT = 190.0
_HISTOGRAM_LEFT = 44.0


def ticks(low: float, high: float) -> list[float]:
    """Returns round numbers within the range, 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / _NUM_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f"{index * step:.10g}") for index in range(first, last + 1)]


def shorten_label(label: str) -> str:
    """Returns a label that fits beside a plot."""
    # The end of a path tells runs apart, its beginning does not.
    return label if len(label) <= _MAX_LABEL else "…" + label[-_MAX_LABEL + 1 :]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its series, its place, and what it says."""

    series: int
    y: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class BarRow:
    """A label with its bars, one a series, and the numbers as words."""

    label: str
    short_label: str
    y: float
    bars: list[Bar]
    text: str


@dataclass(frozen=True, slots=True)
class BarPlot:
    """Shares as horizontal bars, the series of a label beneath each other.

    Attributes:
        title: for people and screen readers.
        series: the names of the series.
        height: of the view box, which is `WIDTH` wide.
        left: where bars begin.
        right: where the value's text may begin.
        rows: the labels.
        ticks: place and label of each tick.
    """

    title: str
    series: list[str]
    height: float
    left: float
    right: float
    rows: list[BarRow]
    ticks: list[tuple[float, str]]
    bar_height: float = _BAR_HEIGHT
    width: float = WIDTH


def bar_plot(title: str, series: Sequence[str], shares: Mapping[str, Sequence[float]], texts: Mapping[str, str]) -> BarPlot:
    """Lays out shares in [0, 1].

    Args:
        title: of the plot.
        series: the names of the series.
        shares: label -> its share in each series.
        texts: label -> the numbers as words.
    """
    left, right = _LABEL_WIDTH, WIDTH - _VALUE_WIDTH
    highest = max((share for values in shares.values() for share in values), default=0.0) or 1.0
    step = len(series) * (_BAR_HEIGHT + 1) + _ROW_GAP
    rows = []
    for index, (label, values) in enumerate(shares.items()):
        top = index * step + _ROW_GAP / 2
        bars = [
            Bar(
                place,
                round(top + place * (_BAR_HEIGHT + 1), 2),
                round(value / highest * (right - left), 2),
                f"{label}, {series[place]}: {value:.1%}",
            )
            for place, value in enumerate(values)
        ]
        rows.append(BarRow(label, shorten_label(label), round(index * step + step / 2, 2), bars, texts[label]))
    marks = [(round(left + value / highest * (right - left), 2), f"{value * 100:g}%") for value in ticks(0.0, highest)]
    return BarPlot(title, list(series), step * len(rows) + _AXIS_HEIGHT, left, right, rows, marks)


@dataclass(frozen=True, slots=True)
class Outline:
    """The histogram of one series, as the points of a line that steps from bin to bin."""

    series: int
    name: str
    points: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values of each size are, on a logarithmic axis, as shares of each series.

    Attributes:
        title: for people and screen readers.
        outlines: one a series.
        x_ticks: place and label along the axis.
        y_ticks: likewise up the side.
        left: where the axis begins.
        right: where it ends.
        base: the y of the axis.
    """

    title: str
    outlines: list[Outline]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    left: float
    right: float
    base: float
    width: float = WIDTH
    height: float = _HISTOGRAM_HEIGHT + _AXIS_HEIGHT


def histogram(title: str, counts: Mapping[str, Mapping[int, int]], *, bins_per_octave: int) -> Histogram:
    """Lays out counts of logarithmic bins.

    Args:
        title: of the plot.
        counts: series -> bin -> count; bin b holds the values from 2 ** (b / bins_per_octave) to the next bin's beginning.
        bins_per_octave: how many bins a doubling of the value takes.
    """
    bins = [one for series in counts.values() for one in series]
    low, high = min(bins), max(bins) + 1
    left, right, base = _HISTOGRAM_LEFT, WIDTH - 12.0, _HISTOGRAM_HEIGHT
    totals = {name: sum(series.values()) or 1 for name, series in counts.items()}
    highest = max(count / totals[name] for name, series in counts.items() for count in series.values())

    def across(position: float) -> float:
        return round(left + (position - low) / (high - low) * (right - left), 2)

    def up(share: float) -> float:
        return round(base - share / highest * (base - 12.0), 2)

    outlines = []
    for index, (name, series) in enumerate(counts.items()):
        points = [(across(low), base)]
        for one in range(low, high):
            y = up(series.get(one, 0) / totals[name])
            points += [(across(one), y), (across(one + 1), y)]
        points.append((across(high), base))
        outlines.append(Outline(index, name, " ".join(f"{x:g},{y:g}" for x, y in points)))
    powers = [10**power for power in range(12) if low <= math.log2(10**power) * bins_per_octave <= high]
    x_ticks = [(across(math.log2(value) * bins_per_octave), f"{value:,}") for value in powers]
    if len(x_ticks) < 2:
        x_ticks = [(across(edge), f"{2 ** (edge / bins_per_octave):,.0f}") for edge in (low, high)]
    y_ticks = [(up(value), f"{value * 100:g}%") for value in ticks(0.0, highest)]
    return Histogram(title, outlines, x_ticks, y_ticks, left, right, base)
