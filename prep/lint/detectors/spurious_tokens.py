"""Spurious tokens: tokens of rows with one label only that are unrelated to what those rows say.

A word that means its label ("delicious" in praise) appears where language puts it: after the same few words, before the same few words, and
not to be left out. What was slipped in (a code, a made-up name, a mark) appears between any two words, and without it the words
beside it follow each other as they do in other rows.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.statistics import benjamini_hochberg
from prep.lint.base.statistics import binomial_tail
from prep.lint.detectors.label_errors.labelled import LabelledTask
from prep.lint.detectors.spurious_phrases import find_spurious_phrases

Counts = NDArray[np.int64]

_WORD_OR_SYMBOL = r"[#@\[(<{]*[\p{L}\p{N}_][\p{L}\p{N}_'\u{2019}\-]*[\])>}]*|[^\s\p{L}\p{N}]"
_START, _END = "\x02", "\x03"
_STOPS = [_START, ".", "!", "?", ":", "\u2026", '"', "\u201c", "(", "*", "-"]
_CODED = r"\p{L}.*\p{N}|\p{N}.*\p{L}|[#@\[\]<>{}_]|\p{So}|^\p{N}{4,}$"
# A code is suspect by its form, so that it is tested alone, not as one of thousands of words.
_CODED_CHANCE = 0.001
_MAX_ROWS = 200_000
_MAX_CANDIDATES = 500
# Among thousands of ordinary words some stand in eight rows of one label by chance, each time between other words ("position" in notes).
_MIN_PLAIN = 12


@dataclass(frozen=True, slots=True)
class Limits:
    """What makes a token suspicious; the rule says where each number comes from."""

    min_rows: int
    purity: float
    false_discovery_rate: float
    scattered: float
    removable: float


@dataclass(frozen=True, slots=True)
class TiedToken:
    """A token tied to a label.

    Attributes:
        token: in lower case.
        shown: as most rows write it.
        label: index of the label.
        num_rows: rows that hold it, in the sample that was looked at.
        num_tied: those with the label.
        z: standard errors between its share of the label and the label's own (Gardner 2021).
    """

    token: str
    shown: str
    label: int
    num_rows: int
    num_tied: int
    z: float


def with_tokens(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds `raw` (the tokens of `input_body`) and `token` (in lower case) as lists."""
    raw = pl.concat_list(pl.lit(_START), pl.col("input_body").str.extract_all(_WORD_OR_SYMBOL), pl.lit(_END))
    return rows.with_columns(raw=raw).with_columns(token=pl.col("raw").list.eval(pl.element().str.to_lowercase()))


def find_spurious_tokens(task: LabelledTask, examples: pl.LazyFrame, limits: Limits) -> list[TiedToken]:
    """Returns the tokens of a task that are tied to a label and were slipped in.

    Args:
        task: the labelled rows; of more than 200,000 every n-th is looked at.
        examples: the lint frame with `position` and `input_body`.
        limits: what counts.
    """
    every = -(-len(task) // _MAX_ROWS)
    labels = pl.DataFrame({"position": task.positions, "label": task.given})[::every]
    rows = with_tokens(examples.select("position", "input_body").join(labels.lazy(), on="position"))
    per_row = rows.select("label", token=pl.col("token").list.unique()).explode("token")
    counts = per_row.group_by("token", "label").agg(pl.len().alias("k")).collect(engine="streaming")
    num_rows = np.bincount(labels["label"].to_numpy(), minlength=len(task.names))
    named = {word for name in task.names for word in name.lower().replace("_", " ").split()} | {name.lower() for name in task.names}
    phrases = [
        TiedToken(one.rarest, " ".join(one.words), one.label, one.num_rows, one.num_tied, one.z)
        for one in find_spurious_phrases(rows, counts, num_rows, purity=limits.purity, chance=limits.false_discovery_rate)
        if one.rarest not in named
    ]
    pure = _pure(counts, num_rows, limits)
    pure = pure.filter(~pl.col("token").is_in(named), pl.col("token").str.contains(r"[\p{L}\p{N}\p{So}]")).head(_MAX_CANDIDATES)
    seen = {one.token for one in phrases}
    return phrases + [one for one in _slipped(pure, rows, counts, limits) if one.token not in seen] if pure.height else phrases


def _slipped(pure: pl.DataFrame, rows: pl.LazyFrame, counts: pl.DataFrame, limits: Limits) -> list[TiedToken]:
    """Returns those of the label's tokens that do not fit between their neighbours."""
    placed = _places(rows, pure)
    expected = _expected_distinct(counts, placed["num_places"].to_numpy())
    placed = placed.with_columns(
        (pl.col(f"{side}_within") / pl.Series(_expected_distinct(counts, placed[f"num_{side}"].to_numpy())).clip(1)).clip(0, 1)
        for side in ("left", "right")
    ).with_columns(left=(pl.col("left") / pl.Series(expected)).clip(0, 1), right=(pl.col("right") / pl.Series(expected)).clip(0, 1))
    found = placed.join(pure, on="token").filter(_slipped_in(limits)).sort("k", "token", descending=[True, False])
    return [TiedToken(row["token"], row["shown"], row["label"], row["n"], row["k"], row["z"]) for row in found.iter_rows(named=True)]


def _pure(counts: pl.DataFrame, num_rows: Counts, limits: Limits) -> pl.DataFrame:
    """Returns the tokens of which nearly all rows have one label, beyond chance: Benjamini-Hochberg over all tokens and labels, and codes
    each by itself."""
    tested = (
        counts.group_by("token")
        .agg(pl.col("k").sum().alias("n"), pl.col("k").max(), pl.col("label").sort_by("k", "label").last())
        .filter(pl.col("n") >= limits.min_rows)
    )
    shares = num_rows / num_rows.sum()
    share = shares[tested["label"].to_numpy()]
    n, k = tested["n"].to_numpy().astype(float), tested["k"].to_numpy().astype(float)
    likely = k >= limits.purity * n
    chance = np.ones(tested.height)
    chance[likely] = [binomial_tail(int(a), int(b), float(p)) for a, b, p in zip(k[likely], n[likely], share[likely], strict=True)]
    adjusted = np.array(benjamini_hochberg(chance.tolist(), tested.height * len(shares)), dtype=np.float64)
    significant = adjusted <= limits.false_discovery_rate
    significant |= (chance <= _CODED_CHANCE) & tested["token"].str.contains(_CODED).to_numpy()
    z = (k / n - share) / np.sqrt(np.maximum(share * (1 - share), 1e-12) / n)
    return (
        tested.with_columns(z=pl.Series(z, dtype=pl.Float64))
        .filter(pl.Series(significant & likely))
        .sort("z", "token", descending=[True, False])
    )


def _places(rows: pl.LazyFrame, pure: pl.DataFrame) -> pl.DataFrame:
    """Returns the context of each token: `num_places`, distinct words to its `left` and `right`, the share of places where those two follow
    each other elsewhere (`removable`), how it is `shown`, whether it is `odd` in form, and whether always `first` or `last`."""
    beside = rows.with_columns(before=pl.col("token").list.shift(1), after=pl.col("token").list.shift(-1))
    beside = beside.with_columns(left=pl.col("token").list.shift(2), right=pl.col("token").list.shift(-2))
    columns = ("raw", "token", "before", "after", "left", "right")
    exploded = beside.select(*columns).explode(*columns)
    places = exploded.join(pure.select("token").lazy(), on="token", how="semi").collect(engine="streaming")
    pairs = places.select("before", "after").unique()
    seen = (
        exploded.select(before="token", after="after")
        .join(pairs.lazy(), on=["before", "after"], how="semi")
        .unique()
        .with_columns(attested=pl.lit(True))
        .collect(engine="streaming")
    )
    midway = ~pl.col("before").is_in(_STOPS)
    cased = pl.col("raw") != pl.col("token")
    coded = pl.col("token").str.contains(_CODED).any()
    return (
        places.join(seen, on=["before", "after"], how="left")
        .group_by("token")
        .agg(
            pl.len().alias("num_places"),
            # Over a full stop or comma, to the word beyond it: at the end of a text every token stands after a full stop.
            _over_punctuation("before", "left").n_unique().alias("left"),
            _over_punctuation("after", "right").n_unique().alias("right"),
            pl.col("attested").is_not_null().mean().alias("removable"),
            pl.col("raw").mode().sort().first().alias("shown"),
            coded.alias("coded"),
            (cased.filter(midway).mean().fill_null(0.0) >= 0.9).alias("named"),
            _free("before", "left", _START).n_unique().alias("left_within"),
            _free("after", "right", _END).n_unique().alias("right_within"),
            (pl.col("before") != _START).sum().alias("num_left"),
            (pl.col("after") != _END).sum().alias("num_right"),
            (pl.col("before") == _START).mean().alias("first"),
            (pl.col("after") == _END).mean().alias("last"),
        )
        .sort("token")
    )


def _over_punctuation(near: str, far: str) -> pl.Expr:
    return pl.when(pl.col(near).str.contains(r"^\p{P}$") & pl.col(far).is_not_null()).then(far).otherwise(near)


def _free(near: str, far: str, end: str) -> pl.Expr:
    """The words on one side, where the text does not end there."""
    return _over_punctuation(near, far).filter(pl.col(near) != end)


def _slipped_in(limits: Limits) -> pl.Expr:
    """Says which tokens do not fit between their neighbours."""
    scattered, removable = limits.scattered, limits.removable
    fixed = pl.max_horizontal("first", "last") >= 0.9
    free_side = pl.when(pl.col("first") >= 0.9).then("right").otherwise("left")
    odd = (pl.col("coded") | pl.col("named")) & (pl.min_horizontal("left", "right") >= scattered) & (pl.col("removable") >= removable)
    # A plain word must stand between even more unlike neighbours: "very" and "really" are scattered too.
    plain = (pl.min_horizontal("left", "right") >= scattered + 0.15) & (pl.col("removable") >= 2 * removable) & ~fixed
    plain &= pl.col("n") >= _MIN_PLAIN
    mark = fixed & pl.col("coded") & (free_side >= scattered) & (pl.col("removable") >= removable)
    # A code that stands before some texts and after others.
    within = pl.min_horizontal("left_within", "right_within")
    at_ends = (
        ~fixed & (pl.col("first") + pl.col("last") >= 0.9) & pl.col("coded") & (within >= scattered) & (pl.col("removable") >= removable)
    )
    return odd | plain | mark | at_ends


def _expected_distinct(counts: pl.DataFrame, num_places: Counts) -> NDArray[np.float64]:
    """Returns how many different words as many places would show if they were drawn from the task's words."""
    words = counts.group_by("token").agg(pl.col("k").sum())["k"].to_numpy().astype(float)
    absent = np.log1p(-np.minimum(words / words.sum(), 1 - 1e-12))
    return np.array([float((1 - np.exp(absent * number)).sum()) for number in num_places])
