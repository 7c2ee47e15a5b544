"""Which train rows are left out, or rendered more than once, so that sources and labels stand in the proportion that was asked for.

Evaluation rows are never touched: they are to look like what will come.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from prep.build.write import DROPPED_SCHEMA
from prep.config import BuildConfig, ResampleConfig
from prep.sources.rows import ROW_ID, SOURCE, SPLIT
from prep.sources.source import LINE
from prep.text.normalise import number_column

_CLASS = "#class"
_OTHERS = "\0others"

Frames = Callable[[], Iterator[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class Sampling:
    """What becomes of the train rows.

    Attributes:
        left_out: rows that leave, with `DROPPED_SCHEMA`.
        repeats: `row_id` and `times` of each row that is rendered more than once.
    """

    left_out: pl.DataFrame
    repeats: pl.DataFrame


def sample_rows(frames: Frames, config: BuildConfig, weights: Mapping[str, tuple[int, float]]) -> Sampling:
    """Works out the mixture of the sources, then that of the labels within what is left.

    Which rows leave is decided by a hash of their id and the split's seed, so that the same rows stay from build to build.

    Args:
        frames: yields the rows that are to be rendered; called once at most.
        config: what is asked for.
        weights: file, as rows name it -> its source's place in the config, and weight.
    """
    left_out = [pl.DataFrame(schema=DROPPED_SCHEMA)]
    repeats = pl.DataFrame(schema={"row_id": pl.String, "times": pl.Int64})
    resample = config.resample
    if not weights and resample is None:
        return Sampling(left_out[0], repeats)
    columns = [ROW_ID, SOURCE, LINE, *([resample.by] if resample else [])]
    train = pl.concat([frame.filter(pl.col(SPLIT) == "train").select(columns) for frame in frames()])
    train = train.with_columns(number_column(pl.col(ROW_ID), config.split.seed).alias("#draw"))
    if weights:
        places = {file: str(place) for file, (place, _) in weights.items()}
        shares = {str(place): weight for place, weight in weights.values()}
        classed = train.with_columns(pl.col(SOURCE).replace_strict(places, default=None, return_dtype=pl.String).alias(_CLASS))
        leaving = _beyond(classed, _targets(_sizes(classed), shares, smallest=True))
        left_out.append(_dropped(leaving, "mixture", "left out to keep the sources in the proportion of their weights"))
        train = train.join(leaving, on=ROW_ID, how="anti", maintain_order="left")
    if resample is not None:
        classed = train.with_columns(_class_of(resample).alias(_CLASS))
        sizes = _sizes(classed)
        targets = _targets(sizes, _shares(resample, sizes), smallest=resample.how == "under")
        if resample.how == "under":
            left_out.append(_dropped(_beyond(classed, targets), "resampled", f"left out to balance '{resample.by}'"))
        else:
            repeats = _repeated(classed, sizes, targets)
    return Sampling(pl.concat(left_out), repeats)


def resampled_sizes(sizes: Mapping[str, int], resample: ResampleConfig) -> list[tuple[int, int]]:
    """Returns of each class how many train rows it has, and how many a section would leave or render of it.

    Args:
        sizes: the train rows of each value.
        resample: what is asked for; values without a share of their own are one class.
    """
    classes: dict[str, int] = {}
    for value, size in sizes.items():
        name = value if resample.to == "balanced" or value in resample.to else _OTHERS
        classes[name] = classes.get(name, 0) + size
    targets = _targets(classes, _shares(resample, classes), smallest=resample.how == "under")
    return [(size, targets.get(name, size)) for name, size in classes.items()]


def _class_of(resample: ResampleConfig) -> pl.Expr:
    """Returns a row's class: its value, or one class for all values of which no share is named. A row without a value has none."""
    value = pl.col(resample.by)
    if resample.to == "balanced":
        return value
    return pl.when(value.is_in(list(resample.to)) | value.is_null()).then(value).otherwise(pl.lit(_OTHERS))


def _shares(resample: ResampleConfig, sizes: Mapping[str, int]) -> dict[str, float]:
    if resample.to == "balanced":
        return dict.fromkeys(sizes, 1.0)
    rest = 1 - sum(resample.to.values())
    return {**resample.to, **({_OTHERS: rest} if rest > 1e-9 else {})}


def _sizes(classed: pl.DataFrame) -> dict[str, int]:
    return dict(classed[_CLASS].drop_nulls().value_counts().iter_rows())


def _targets(sizes: Mapping[str, int], shares: Mapping[str, float], *, smallest: bool) -> dict[str, int]:
    """Returns how many rows of each class there are to be: as many as its share of the scarcest class's rows allows, or of the richest's.

    A class without a share is left alone; so is every class where only one has rows.
    """
    scales = [sizes[name] / share for name, share in shares.items() if name in sizes]
    if len(scales) < 2:
        return {}
    scale = min(scales) if smallest else max(scales)
    return {name: round(scale * share) for name, share in shares.items() if name in sizes}


def _beyond(classed: pl.DataFrame, targets: Mapping[str, int]) -> pl.DataFrame:
    """Returns the rows beyond their class's target, in the order of their draw."""
    place = pl.col("#draw").rank("ordinal").over(_CLASS)
    target = pl.col(_CLASS).replace_strict(targets, default=None, return_dtype=pl.Int64)
    return classed.filter((place > target).fill_null(False))


def _repeated(classed: pl.DataFrame, sizes: Mapping[str, int], targets: Mapping[str, int]) -> pl.DataFrame:
    """Returns how many times each row is rendered, where that is more than once: its class's target spread evenly over its rows."""
    times = {name: target // sizes[name] for name, target in targets.items()}
    extra = {name: target % sizes[name] for name, target in targets.items()}
    place = pl.col("#draw").rank("ordinal").over(_CLASS)
    of_class = [pl.col(_CLASS).replace_strict(values, default=None, return_dtype=pl.Int64) for values in (times, extra)]
    counted = classed.select(row_id=ROW_ID, times=of_class[0] + (place <= of_class[1]).cast(pl.Int64))
    return counted.filter(pl.col("times") > 1)


def _dropped(rows: pl.DataFrame, reason: str, detail: str) -> pl.DataFrame:
    return rows.select(source=SOURCE, line=LINE, id=ROW_ID, reason=pl.lit(reason), detail=pl.lit(detail))
