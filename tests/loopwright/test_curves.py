"""Geometry of curves and clouds: what is more is drawn higher, and no peak is lost where points are many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.curves import Dot, Series, cloud, line_plot, thinned


def places(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]


def test_a_curve_falls_where_its_values_do() -> None:
    plot = line_plot("loss", [Series("train", [(1, 3.0), (2, 2.0), (3, 0.0)])], x_name="step", y_name="loss", marker=(3, "saved"))
    (x1, y1), (x2, y2), (x3, y3) = places(plot.curves[0].points)
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.02) and x1 < x2
    assert y3 - y2 == pytest.approx(2 * (y2 - y1), abs=0.05) and y1 < y2  # an SVG's y grows downwards
    assert (y1, y3) == (plot.axes.top, plot.axes.base)
    assert plot.marker == (plot.axes.right, "saved")
    assert plot.curves[0].dots == []


def test_dots_say_their_values() -> None:
    plot = line_plot("loss", [Series("validation", [(10, 0.5), (20, 0.25)], style="dots")], x_name="step", y_name="loss")
    assert [title for *_, title in plot.curves[0].dots] == ["validation, step 10: 0.5", "validation, step 20: 0.25"]


@pytest.mark.parametrize("points", [[(1.0, 0.0)], [(1.0, 5.0), (2.0, 5.0)], [(1.0, 1e-9), (2.0, 1e9)], [(0.0, -3.0), (1.0, -3.0)]])
def test_odd_values_are_drawn(points: list[tuple[float, float]]) -> None:
    plot = line_plot("odd", [Series("one", points)], x_name="x", y_name="y")
    for x, y in places(plot.curves[0].points):
        assert plot.axes.left <= x <= plot.axes.right and plot.axes.top <= y <= plot.axes.base
    assert plot.axes.y_ticks


def test_small_numbers_are_short_on_an_axis_and_labels_do_not_meet() -> None:
    plot = line_plot("rate", [Series("rate", [(1, 0.0), (1000, 5e-4)])], x_name="step", y_name="", height=120)
    assert plot.axes.y_ticks[-1][1].endswith("e-4") and all(len(label) <= 5 for _, label in plot.axes.y_ticks)
    ys = [y for y, _ in plot.axes.y_ticks]
    assert all(above - below >= 24 for below, above in zip(ys[1:], ys, strict=False))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80), st.integers(2, 50))
def test_thinning_keeps_the_extremes_in_order(values: list[float], most: int) -> None:
    points = [(float(index), value) for index, value in enumerate(values)]
    kept = thinned(points, most)
    assert len(kept) <= max(most, 2)
    assert kept == sorted(set(kept) & set(points))
    assert (min(y for _, y in kept), max(y for _, y in kept)) == (min(values), max(values))
    if len(points) <= most:
        assert kept == points


def test_a_cloud_places_confidence_up_and_variability_right() -> None:
    plot = cloud("rows", [("a", [Dot(0.0, 1.0, "easy")]), ("b", [Dot(0.4, 0.0, "hard")]), ("c", [])], x_name="x", y_name="y")
    (easy,), (hard,), none = (dots for _, dots in plot.groups)
    assert easy.x < hard.x and easy.y == plot.axes.top and hard.y == plot.axes.base and none == []
    assert cloud("rows", [("a", [Dot(0.0, 0.5, "one")])], x_name="x", y_name="y").groups[0][1][0].x > plot.axes.left


@pytest.mark.parametrize(
    "values", [(1e-12, 1e-12), (1e-30,), (0.0, 0.0), (0.01, 0.010000000000000002), (1e-300, 3e-300), (5e300, 3e300), (5e-324, 0.0)]
)
def test_values_of_any_size_have_a_place(values: tuple[float, ...]) -> None:
    plot = line_plot(
        "x", [Series("x", [(float(step), value) for step, value in enumerate(values)])], x_name="step", y_name="", height=100.0
    )
    assert plot.axes.y_ticks
