import polars as pl

from prep.lint.detectors.near_pairs import nearest


def test_of_equally_near_pairs_the_earlier_count_in_any_order() -> None:
    pairs = [(7, other, 0.9) for other in (3, 1, 2, 0)] + [(7, 5, 0.95), (8, 4, 0.9)]
    for rows in (pairs, pairs[::-1], sorted(pairs)):
        frame = pl.LazyFrame(rows, schema=["position", "position_other", "similarity"], orient="row")
        assert nearest(frame, 3).collect().rows() == [(7, 5, 0.95), (7, 0, 0.9), (7, 1, 0.9), (8, 4, 0.9)]
