"""What stands first in every report: the sentence, and each system's primary metric beside its difference to the one that it is about."""

from collections.abc import Mapping
from dataclasses import dataclass

from evals.data.contract import MetricValue, PairReport, Report
from evals.metrics.base import METRICS
from evals.reports.outcomes import Outcomes
from loopwright.console import printable


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much the system of the report is ahead of another, in the primary metric.

    Attributes:
        text: the number with its interval.
        kind: better, worse or unclear, after adjustment for the number of metrics.
        p: adjusted; None where it was not tested.
    """

    text: str
    kind: str
    p: float | None


@dataclass(frozen=True, slots=True)
class HeadlineRow:
    """One system in the first table.

    Attributes:
        name: what it is called in short.
        label: its whole name.
        role: what it is compared as.
        is_subject: the report is about it.
        value: its primary metric with the interval.
        difference: of the system of the report minus this one; None for that one itself, and where no example is common.
        num_scored: examples with a score.
        num_total: all examples.
        seconds: an example.
        cost: of all its answers; None where no prices are known.
    """

    name: str
    label: str
    role: str
    is_subject: bool
    value: str
    difference: Difference | None
    num_scored: int
    num_total: int
    seconds: float
    cost: float | None


@dataclass(frozen=True, slots=True)
class HeadlineView:
    """The first part of a report.

    Attributes:
        sentence: what happened.
        outcome: the verdict in a word or two.
        verdict: what it rests on.
        kind: better, worse or unsure: its colour.
        metric: the primary metric.
        subject: what the system of the report is called.
        against: likewise what it is held against; empty where it is alone.
        rows: the systems.
        has_cost: a price is known of any of them.
    """

    sentence: str
    outcome: str
    verdict: str
    kind: str
    metric: str
    subject: str
    against: str
    rows: list[HeadlineRow]
    has_cost: bool


def view_headline(report: Report, outcomes: Outcomes, names: Mapping[str, str]) -> HeadlineView:
    """Returns the first part of a report; one of before headlines were written has its verdict for a sentence."""
    detail, headline = report.verdict_detail, report.headline
    metric = primary_metric(report)
    rest = report.verdict.removeprefix(f"{detail.outcome}: ")
    rows = [
        HeadlineRow(
            name=printable(names[label]),
            label=printable(label),
            role=system.role.value,
            is_subject=label == outcomes.system,
            value=_say_value(system.metrics.get(metric)),
            difference=_difference(report, outcomes.system, label, metric),
            num_scored=system.n_scored,
            num_total=system.n_total,
            seconds=1 / system.examples_per_second if system.examples_per_second > 0 else 0.0,
            cost=system.cost,
        )
        for label, system in report.systems.items()
    ]
    return HeadlineView(
        sentence=printable(headline.sentence) if headline is not None else "",
        outcome=printable(detail.outcome),
        verdict=printable(rest),
        kind=detail.outcome if detail.outcome in {"better", "worse"} else "unsure",
        metric=metric,
        subject=printable(names[outcomes.system]),
        against="" if outcomes.against is None else printable(names[outcomes.against]),
        rows=rows,
        has_cost=any(row.cost is not None for row in rows),
    )


def primary_metric(report: Report) -> str:
    """Returns the metric that decides; the first that there is where nothing was decided."""
    named = report.headline.metric if report.headline is not None else report.verdict_detail.metric
    return named or next((name for system in report.systems.values() for name in system.metrics), "")


def direction(pair: PairReport, alpha: float) -> str:
    """Returns how a difference is to be read: better or worse where its adjusted test says so, else unclear.

    Args:
        pair: a comparison.
        alpha: the level of the test.
    """
    if pair.p_holm is None or pair.p_holm >= alpha or not pair.difference:
        return "unclear"
    return "better" if (pair.difference > 0) == METRICS.get(pair.metric).higher_is_better else "worse"


def turned(pair: PairReport) -> PairReport:
    """Returns a comparison the other way round."""
    low, high = (None if value is None else -value for value in (pair.high, pair.low))
    difference = None if pair.difference is None else -pair.difference
    return pair.model_copy(update={"a": pair.b, "b": pair.a, "difference": difference, "low": low, "high": high})


def _difference(report: Report, system: str, other: str, metric: str) -> Difference | None:
    pairs = {(pair.a, pair.b): pair for pair in report.pairs if pair.metric == metric}
    pair = pairs.get((system, other))
    if pair is None and (other, system) in pairs:
        pair = turned(pairs[other, system])
    if pair is None or pair.difference is None:
        return None
    return Difference(pair.text, direction(pair, 1 - report.settings.get("confidence", 0.95)), pair.p_holm)


def _say_value(value: MetricValue | None) -> str:
    return "–" if value is None else value.text
