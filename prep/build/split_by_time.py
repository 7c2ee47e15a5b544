"""Dates and times as people write them, and the splits that are cut by them."""

import polars as pl

from prep.config import SplitConfig
from prep.sources.rows import SPLIT

TIME = "#time"
# Year first, as only that order is the same everywhere; day and month with dots are German and unmistakable.
_DATE_TIMES = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S")
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%Y%m%d", "%b %d, %Y", "%d %b %Y", "%B %d, %Y")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f%#z")
_YEAR_2001_SECONDS, _YEAR_2286_SECONDS = 978_307_200, 9_999_999_999


def parse_time(text: pl.Expr) -> pl.Expr:
    """Returns microseconds since 1970 of dates and times in ISO 8601 and its kin, or in Unix seconds or milliseconds; null for others.

    A time without a zone is taken for UTC.
    """
    text = text.str.strip_chars()
    naive = [text.str.to_datetime(form, strict=False, time_unit="us") for form in _DATE_TIMES]
    dates = [text.str.to_date(form, strict=False).cast(pl.Datetime("us")) for form in _DATES]
    iso = text.str.replace(r"Z$", "+0000")
    zoned = [iso.str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC").dt.replace_time_zone(None) for form in _ZONED]
    number = text.str.extract(r"^(\d{9,13})(?:\.0+)?$").cast(pl.Int64, strict=False)
    seconds = pl.when(number.is_between(_YEAR_2001_SECONDS, _YEAR_2286_SECONDS)).then(number * 1_000_000)
    milliseconds = pl.when(number > _YEAR_2286_SECONDS).then(number * 1_000)
    return pl.coalesce(*(moment.dt.epoch("us") for moment in (*zoned, *naive, *dates)), seconds, milliseconds)


def cut_times(times: pl.Series, config: SplitConfig) -> tuple[int, int]:
    """Returns the last moment of train and the last of validation: the oldest rows train, the newest test.

    Rows of one moment stay together, on the older side.

    Args:
        times: microseconds since 1970, without nulls.
        config: the shares.
    """
    ordered = times.sort()
    before_all = (ordered[0] if len(ordered) else 0) - 1

    def last(share: float) -> int:
        count = round(share * len(ordered))
        return int(ordered[count - 1]) if count else before_all

    return last(config.train), last(config.train + config.validation)


def assign_by_time(frame: pl.DataFrame, cuts: tuple[int, int]) -> pl.DataFrame:
    """Gives each row the split of its moment (`#time`), but for rows of a source that fixes it."""
    by_time = (
        pl.when(pl.col(TIME) <= cuts[0])
        .then(pl.lit("train"))
        .when(pl.col(TIME) <= cuts[1])
        .then(pl.lit("validation"))
        .otherwise(pl.lit("test"))
    )
    return frame.with_columns(pl.coalesce(SPLIT, by_time).alias(SPLIT))
