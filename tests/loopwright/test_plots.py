"""Geometry of the plots that pages share: what is larger is drawn larger, and odd data draws too."""

import pytest

from loopwright.plots import WIDTH, bar_plot, histogram, shorten_label, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 0.034, [0, 0.01, 0.02, 0.03]), (-5, 5, [-4, -2, 0, 2, 4]), (0, 1200, [0, 500, 1000])],
)
def test_ticks_are_round_and_within(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


def test_a_label_keeps_its_end() -> None:
    assert shorten_label("short") == "short"
    assert shorten_label("a/very/long/path/to/a/run-002").endswith("/run-002")
    assert len(shorten_label("x" * 100)) == 22


def test_bars_are_as_long_as_their_shares() -> None:
    plot = bar_plot("labels", ["train", "test"], {"ham": [0.8, 0.4], "spam": [0.2, 0.0]}, {"ham": "8", "spam": "2"})
    (ham, ham_test), (spam, spam_test) = (row.bars for row in plot.rows)
    assert ham.width == pytest.approx(2 * ham_test.width) == pytest.approx(4 * spam.width)
    assert spam_test.width == 0
    assert plot.left + ham.width == pytest.approx(plot.right) and plot.right < WIDTH
    tops = [bar.y for row in plot.rows for bar in row.bars]
    assert tops == sorted(tops) and tops[-1] + plot.bar_height < plot.height
    assert bar_plot("empty", ["train"], {"ham": [0.0]}, {"ham": "0"}).rows[0].bars[0].width == 0


def points(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]


def test_a_histogram_steps_up_where_there_is_more() -> None:
    plot = histogram("lengths", {"train": {4: 1, 6: 3}, "test": {5: 2}}, bins_per_octave=2)
    train = points(plot.outlines[0].points)
    assert [x for x, _ in train] == sorted(x for x, _ in train)
    assert (train[0][0], train[-1][0]) == (plot.left, plot.right)
    heights = [plot.base - y for _, y in train[1:-1:2]]
    assert heights[1] == 0 and heights[2] == pytest.approx(3 * heights[0], abs=0.05)
    assert max(plot.base - y for _, y in points(plot.outlines[1].points)) > max(heights)  # all of one split in one bin
    assert all(plot.left <= x <= plot.right for x, _ in plot.x_ticks)


@pytest.mark.parametrize("bins", [{0: 5}, {2: 1}, {-1: 1}, {0: 1, 46: 1}])
def test_a_histogram_of_one_length_or_of_all_lengths_is_drawn(bins: dict[int, int]) -> None:
    plot = histogram("lengths", {"train": bins}, bins_per_octave=2)
    assert plot.x_ticks and all(plot.left <= x <= plot.right for x, _ in plot.x_ticks)
