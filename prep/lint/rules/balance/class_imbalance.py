"""BAL101 ClassImbalance."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.statistics import chi_square_even, evenness
from prep.lint.base.texts import of_template
from prep.lint.detectors.expectations import DeclaredShare, ExpectationState
from prep.lint.detectors.label_counts import count_labels, label_counts, shares_of_task
from prep.lint.detectors.rebalance import plan_labels

_MAX_CLASSES = 100


class ClassImbalance(Rule):
    """Uneven label shares, or label shares outside the declared range.

    ## What it does
    Counts the labels of each task with a fixed answer set (in train only, where the config resamples train). Spelling variants count as
    their label, and stray words are left out; CON204 reports both. Of answers that are judged by themselves the labels are `wanted` and
    `unwanted`. With `lint: {expect: {label_share: {negative: [0.4, 0.6]}}}` in the config, reports each label whose share is outside its
    range (the whole 95% Wilson interval). Without it, reports tasks whose Shannon evenness is low and for which a chi-square test rules
    out chance.

    ## Why is this bad
    A model that always predicts the majority label already scores that label's share, and training finds this solution first. Rare
    labels are not learned.

    ## Example
    31 of 46 notes are `neutral`, 5 are `negative`.

    ## Fix safety
    Unsafe, and not a fix of single rows: the fix ledger gets no entry. For a built dataset the remedy gives the config that evens out
    the labels in train, `resample: {...}`, and the number of rows that it drops or repeats: over-sampling while no row is rendered more
    than four times (Muennighoff et al. 2023), else under-sampling. It changes what is learned, so you put it into the config yourself.
    New rows of the rare labels teach more than either.
    """

    code = "BAL101"
    severity = Severity.WARNING
    columns = ("task", "template", "source", "split", "is_closed_set", "label", "answer", "rejected", "form", "fields")
    remedy = "Add rows of the rare labels, or declare the shares you expect: lint: {expect: {label_share: {LABEL: [low, high]}}}."
    thresholds = (
        Threshold("evenness", 0.8, "Pielou's J (1966); 0.8 is 76:24 for two labels, where the majority baseline scores 0.76"),
        Threshold("min_rows", 30, "rule of thumb for a chi-square test: five expected rows per label, for up to six labels"),
        Threshold("p", 0.01, "significance level"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return count_labels(examples)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for task in label_counts(found, context):
            expected = shares_of_task(task, context)
            messages = map(_unexpected, expected) if expected else self._uneven(task.counts, context)
            for message in filter(None, messages):
                plan = plan_labels(task.template, task.train, task.fields, expected, context.manifest) if task.is_pure else None
                remedy = plan and f"Put {plan}; or a{self.remedy[1:]}"
                yield Finding(of_template(task.template) + message, source=task.source, field="label", remedy=remedy)

    def _uneven(self, counts: dict[str, int], context: Context) -> Iterable[str]:
        num_rows = sum(counts.values())
        if num_rows < context.threshold(self, "min_rows") or not 2 <= len(counts) <= _MAX_CLASSES:
            return
        even = evenness(list(counts.values()))
        if even < context.threshold(self, "evenness") and chi_square_even(list(counts.values())).p < context.threshold(self, "p"):
            (top, top_count), (rare, rare_count) = max(counts.items(), key=_count), min(counts.items(), key=_count)
            yield (
                f"class imbalance: '{top}' has {top_count / num_rows:.0%} of {num_rows:,} rows, '{rare}' has {rare_count / num_rows:.0%}"
                f" (Shannon evenness {even:.2f}; 1 is even)"
            )


def _unexpected(one: DeclaredShare) -> str | None:
    if one.state is ExpectationState.MET:
        return None
    bounds = f"{one.lowest:.0%} to {one.highest:.0%}"
    return f"'{one.name}' makes up {one.share:.1%} of {one.total:,} rows, outside the declared {bounds}"


def _count(item: tuple[str, int]) -> int:
    return item[1]
