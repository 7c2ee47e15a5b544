"""LBL801's guard against labels that the baseline cannot tell apart."""

import polars as pl

from prep.lint.rules.labels.likely_mislabel import _not_told_apart


def _judged(field: str | None, rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    """Returns judged rows: given label, the baseline's guess, and how many such rows there are."""
    said = [(given, guess, field) for given, guess, count in rows for _ in range(count)]
    return pl.DataFrame(said, schema={"given": pl.String, "guess": pl.String, "label_field": pl.String}, orient="row")


def test_a_rare_value_that_is_never_recognised_is_not_doubted() -> None:
    drawn = _judged("urgent", [("false", "false", 160), ("true", "false", 40)])
    learnt = _judged("mood", [("up", "up", 90), ("up", "down", 10), ("down", "down", 100)])
    assert _not_told_apart(pl.concat([drawn, learnt]), 0.2) == {("urgent", "true"), ("urgent", "false")}


def test_a_rare_label_with_many_flips_is_doubted() -> None:
    # 13% are spam; of each label a fifth is flipped, and the baseline sees through it.
    spam = _judged(None, [("spam", "spam", 104), ("spam", "ham", 174), ("ham", "ham", 696), ("ham", "spam", 26)])
    assert _not_told_apart(spam, 0.2) == set()
