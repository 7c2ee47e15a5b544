"""What `prep drift` found: its tests, and what has moved."""

from dataclasses import dataclass

import numpy as np

from prep.drift.overlap import Overlap
from prep.drift.sample import Sample

SIZES = ("none", "negligible", "small", "medium", "large")


@dataclass(frozen=True, slots=True)
class Test:
    """One statistic, and what it is where nothing has moved.

    Attributes:
        name: `inputs` (AUC of a classifier), `words` (Jensen-Shannon divergence, bits), `length` (Kolmogorov-Smirnov distance),
            `labels` or `language` (Cramer's V).
        value: the effect.
        by_chance: its mean over random deals.
        by_chance_high: what 95 of 100 random deals stay below.
        p: share of deals that are as extreme.
        adjusted_p: adjusted for the number of tests (Holm 1979).
        size: `none` (not significant), else `negligible`, `small`, `medium` or `large`.
    """

    name: str
    value: float
    by_chance: float
    by_chance_high: float
    p: float
    adjusted_p: float
    size: str


@dataclass(frozen=True, slots=True)
class MovedWord:
    """A word that one side has more of. Shares are of the texts that hold it."""

    word: str
    share_known: float
    share_new: float
    z: float
    text: str


@dataclass(frozen=True, slots=True)
class Unlike:
    """A new row that is least like those in train, and its score in nats."""

    place: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Category:
    """The share of a label, or of a language, on both sides."""

    name: str
    share_known: float
    share_new: float


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What was found.

    Attributes:
        known: the sample of the dataset.
        new: the sample of the new rows.
        fields: the fields that make the text.
        tests: one a question, in the order of their names above.
        auc_interval: 95 % interval of the classifier's AUC.
        novel_share: at least this share of the new texts is of a kind that train has not (0 where the inputs are not told apart).
        lengths: mean length on both sides, and the unit: `words` or `tokens`.
        unknown_words: share of the words of new texts that no known text holds, and the mean of that over random deals.
        rising: words that new texts have more of.
        fading: words that new texts have less of.
        labels: shares of the labels; empty where the new rows have none.
        languages: shares of the languages.
        overlap: how much of the new rows stands in train.
        unlike: the new rows to look at first.
        smallest: the smallest shift that samples of this size show in 80 of 100 cases: `auc`, `length` (standard deviations), `label`
            (share, for the commonest label).
    """

    known: Sample
    new: Sample
    fields: list[str]
    tests: list[Test]
    auc_interval: tuple[float, float]
    novel_share: float
    lengths: tuple[float, float, str]
    unknown_words: tuple[float, float]
    rising: list[MovedWord]
    fading: list[MovedWord]
    labels: list[Category]
    languages: list[Category]
    overlap: Overlap
    unlike: list[Unlike]
    smallest: dict[str, float]

    @property
    def size(self) -> str:
        """The largest size of a test: `none`, `negligible`, `small`, `medium` or `large`."""
        return max((test.size for test in self.tests), key=SIZES.index)

    @property
    def drifted(self) -> bool:
        """Whether there is a shift that is more than chance and more than negligible."""
        return SIZES.index(self.size) >= SIZES.index("small")

    @property
    def rows_to_add(self) -> int | None:
        """Rows of the new kind that give it the share in train which it has in the new rows; None where that is no longer an addition."""
        if not 0 < self.novel_share < 0.5:
            return None
        return int(np.ceil(self.novel_share / (1 - self.novel_share) * self.known.num_rows))
