"""Which split a row belongs to: decided on rows, before fixes and templating."""

import polars as pl

from loopwright.hashing import hash_text, unit_interval
from prep.config import SPLIT_NAMES, SplitConfig
from prep.keys import normalise_expr
from prep.rows import GROUP, SPLIT

# In the order in which the survivor of copies is preferred: an evaluation row must not be lost to its copy in train.
SPLITS_BY_WORTH = ("test", "validation", "train")
_DRAWN = "#drawn"


def key_of(fields: list[str]) -> pl.Expr:
    """Returns the hash of the normalised values of some fields: equal for rows that say the same there."""

    def hash_rows(columns: pl.Series) -> pl.Series:
        return pl.Series(columns.name, [hash_text(*row.values()) for row in columns], pl.String)

    normalised = pl.struct([normalise_expr(pl.col(name)).alias(name) for name in sorted(fields)])
    return normalised.map_batches(hash_rows, return_dtype=pl.String)


def assign_splits(frame: pl.LazyFrame, config: SplitConfig, input_fields: list[str]) -> pl.LazyFrame:
    """Gives each row its split, but for rows of a source that fixes it.

    By a hash of the group where there is one (two paraphrases of one complaint must not straddle train and test), else of the
    normalised input, so that appending rows moves no row that was there. The fields must be those before any fix: a corrected typo in an
    evaluation row must not carry it into train.

    Args:
        frame: rows.
        config: shares and seed.
        input_fields: the fields that the model is shown.
    """

    def draw(keys: pl.Series) -> pl.Series:
        return pl.Series(keys.name, [unit_interval(key, config.seed) for key in keys], pl.Float64)

    key = pl.coalesce(pl.format("group:{}", GROUP), pl.format("input:{}", key_of(input_fields)))
    drawn = pl.col(_DRAWN)
    hashed = (
        pl.when(drawn < config.train)
        .then(pl.lit("train"))
        .when(drawn < config.train + config.validation)
        .then(pl.lit("validation"))
        .otherwise(pl.lit("test"))
    )
    return (
        frame.with_columns(key.map_batches(draw, return_dtype=pl.Float64).alias(_DRAWN))  # once, and not for each of its uses
        .with_columns(pl.coalesce(SPLIT, hashed).alias(SPLIT))
        .drop(_DRAWN)
    )


def split_counts(splits: pl.Series) -> dict[str, int]:
    """Returns the number of examples in each split, empty ones included."""
    counts = dict(splits.value_counts().iter_rows())
    return {name: counts.get(name, 0) for name in SPLIT_NAMES}
