"""Which split a row belongs to: decided on rows, before fixes and templating."""

import polars as pl

from prep.config import SplitConfig
from prep.sources.rows import GROUP, SPLIT
from prep.text.normalise import hash_input, normalise_expr, number_column

_DRAWN = "#drawn"


def key_input(fields: list[str]) -> pl.Expr:
    """Returns the text to hash of the normalised values of some fields: equal for rows that say the same there."""
    normalised = [normalise_expr(pl.col(name)).fill_null("") for name in sorted(fields)]
    return normalised[0] if len(normalised) == 1 else hash_input(*normalised)


def assign_splits(frame: pl.DataFrame, config: SplitConfig, input_fields: list[str]) -> pl.DataFrame:
    """Gives each row its split, but for rows of a source that fixes it.

    By a hash of the group where there is one (two paraphrases of one complaint must not straddle train and test), else of the
    normalised input, so that appending rows moves no row that was there. The fields must be those before any fix: a corrected typo in an
    evaluation row must not carry it into train.

    Args:
        frame: rows.
        config: shares and seed.
        input_fields: the fields that the model is shown.
    """
    # A group that is named as an input reads draws another number: the seeds differ.
    number = number_column(key_input(input_fields), 2 * config.seed)
    if frame[GROUP].null_count() < frame.height:
        number = pl.when(pl.col(GROUP).is_null()).then(number).otherwise(number_column(pl.col(GROUP), 2 * config.seed + 1))
    drawn = pl.col(_DRAWN)
    hashed = (
        pl.when(drawn < config.train)
        .then(pl.lit("train"))
        .when(drawn < config.train + config.validation)
        .then(pl.lit("validation"))
        .otherwise(pl.lit("test"))
    )
    return (
        frame.with_columns((number.cast(pl.Float64) / 2.0**64).alias(_DRAWN))
        .with_columns(pl.coalesce(SPLIT, hashed).alias(SPLIT))
        .drop(_DRAWN)
    )


def smallest_difference(num_rows: int, disagreement: float = 0.2) -> float:
    """Returns the smallest true difference in accuracy between two models that so many rows show in 80 of 100 cases, at 95% confidence.

    For models scored on the same rows: (1.96 + 0.84) times the standard error of the paired difference (Miller 2024, "Adding Error Bars
    to Evals", 5), whose variance is about the share of rows on which just one of the two is right, over the number of rows.

    Args:
        num_rows: rows of the split.
        disagreement: that share; 0.2 is usual for a base and a tuned model.
    """
    return min(1.0, 2.8 * (disagreement / num_rows) ** 0.5) if num_rows else 1.0
