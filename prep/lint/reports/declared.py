"""What the page shows of declared expectations: counted by the queries of the rules that check them, whether or not those ran."""

from dataclasses import dataclass

import polars as pl

from prep.lint.base.context import Context
from prep.lint.detectors.answer_counts import count_answers, declared_priors
from prep.lint.detectors.expectations import DeclaredShare, DeclaredSlice
from prep.lint.detectors.label_counts import count_labels, declared_shares
from prep.lint.detectors.slice_counts import count_slices, declared_slices


@dataclass(frozen=True, slots=True)
class Declared:
    """What the config declares, beside what was found.

    Attributes:
        slices: those that are to be covered, in the config's order.
        labels: the declared shares of labels, task by task.
        priors: the declared shares of answers.
    """

    slices: tuple[DeclaredSlice, ...] = ()
    labels: tuple[DeclaredShare, ...] = ()
    priors: tuple[DeclaredShare, ...] = ()


def count_declared(frame: pl.LazyFrame, context: Context) -> Declared:
    """Counts what is declared, in one streaming pass over the lint frame; nothing is read where nothing is declared."""
    expect = context.expect
    queries = {}
    if expect.slices:
        queries["slices"] = count_slices(frame, context)
    if expect.label_share:
        queries["labels"] = count_labels(frame)
    if expect.priors:
        queries["priors"] = count_answers(frame)
    counted = dict(zip(queries, pl.collect_all(list(queries.values()), engine="streaming"), strict=True))
    return Declared(
        slices=tuple(declared_slices(counted["slices"], expect.slices)) if expect.slices else (),
        labels=tuple(declared_shares(counted["labels"], context)) if expect.label_share else (),
        priors=tuple(declared_priors(counted["priors"], expect.priors)) if expect.priors else (),
    )
