"""How many answers turn the task down or begin with a canned opening, and the shares that are declared of them."""

from collections.abc import Iterator, Mapping

import polars as pl

from prep.config import PriorOf
from prep.lint.detectors.expectations import DeclaredShare
from prep.lint.detectors.refusals import DISCLOSURE, OPENING, REFUSAL
from templates.form import Form

_LOOK_CHARACTERS = 300  # a refusal comes first, or it is none
START = pl.col("answer").str.slice(0, _LOOK_CHARACTERS)
"""Where a refusal or a canned opening begins."""
REFUSES = START.str.contains(REFUSAL) | START.str.contains(DISCLOSURE)
"""Whether an answer turns the task down."""


def count_answers(examples: pl.LazyFrame) -> pl.LazyFrame:
    """Returns one row: `num_answers`, and how many of them are a `refusal` or begin with a canned `opening`."""
    refusal = (REFUSES & pl.col("label").is_null()).sum()
    return answered(examples).select(num_answers=pl.len(), refusal=refusal, opening=START.str.contains(OPENING).sum())


def declared_priors(counted: pl.DataFrame, priors: Mapping[PriorOf, float]) -> Iterator[DeclaredShare]:
    """Holds declared shares of answers against what `count_answers` counted."""
    (total,) = counted.iter_rows(named=True)
    for name, prior in priors.items():
        yield DeclaredShare(name, total[name], total["num_answers"], prior, prior)


def answered(examples: pl.LazyFrame) -> pl.LazyFrame:
    """Returns the rows that have an answer to something."""
    return examples.filter((pl.col("form") != Form.COMPLETION) & (pl.col("answer") != ""))
