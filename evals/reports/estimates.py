"""Plots of values and differences with their intervals: what decides first, the rest to be unfolded."""

from collections.abc import Mapping
from dataclasses import dataclass

from evals.data.contract import PairReport, Report, SliceReport
from evals.data.role import Role
from evals.metrics.base import METRICS
from evals.reports.headline import direction
from evals.reports.plots import Estimate, Plot, interval_plot
from loopwright.console import printable
from prep.pii import mask

_MOST_PARTS, _NUM_WORST = 16, 12


@dataclass(frozen=True, slots=True)
class PairView:
    """Comparisons of one table: those that decide, or the rest."""

    pairs: list[PairReport]
    plots: list[Plot]


_SIDES = {True: "right is better", False: "left is better", None: "neither side is better"}


def metric_plots(report: Report, names: Mapping[str, str], primary: str) -> list[Plot]:
    """Returns one plot a metric, the primary one first, with a line a system."""
    plots = []
    metrics = dict.fromkeys(name for system in report.systems.values() for name in system.metrics)
    for metric in sorted(metrics, key=lambda name: name != primary):
        estimates = []
        for label, system in report.systems.items():
            value = system.metrics.get(metric)
            if value is None or value.value is None or value.low is None or value.high is None:
                continue
            estimates.append(Estimate(printable(names[label]), system.role, value.value, value.low, value.high, value.text))
        if estimates:
            plots.append(interval_plot(metric, estimates))
    return plots


def split_pairs(report: Report, names: Mapping[str, str], system: str, primary: str) -> tuple[PairView, PairView]:
    """Returns the comparisons that decide, of the report's system by the primary metric, and all others."""
    deciding = [pair for pair in report.pairs if pair.metric == primary and system in {pair.a, pair.b}]
    rest = [pair for pair in report.pairs if pair not in deciding]
    alpha = 1 - report.settings.get("confidence", 0.95)
    return PairView(deciding, _difference_plots(deciding, names, alpha)), PairView(rest, _difference_plots(rest, names, alpha))


def slice_plots(report: Report, names: Mapping[str, str], system: str) -> list[Plot]:
    """Returns one plot a slicing and metric: each part's score of the report's system beside those of tuned ones and the base.

    Of many parts, such as 77 labels, those are drawn where the report's system does worst.
    """
    roles = {label: one.role for label, one in report.systems.items()}
    shown = {label for label, role in roles.items() if role in {Role.TUNED, Role.BASE}} | {system}
    plots = []
    for name, metric in dict.fromkeys((one.slice, one.metric) for one in report.slices):
        parts = [one for one in report.slices if (one.slice, one.metric) == (name, metric) and one.system in shown]
        title, kept = f"{metric} by {name}", _worst(parts, system, metric)
        if kept is not None:
            title += f", the {_NUM_WORST} worst of {len({one.value for one in parts})}"
            parts = sorted((one for one in parts if one.value in kept), key=lambda one: kept.index(one.value))
        estimates = [
            Estimate(
                printable(f"{mask(one.value)} ({one.n}): {names[one.system]}"),
                roles[one.system],
                one.score.value,
                one.score.low,
                one.score.high,
                one.score.text,
            )
            for one in parts
            if one.score.value is not None and one.score.low is not None and one.score.high is not None
        ]
        if estimates:
            plots.append(interval_plot(title, estimates))
    return plots


def _worst(parts: list[SliceReport], system: str, metric: str) -> list[str] | None:
    """Returns the values of the parts that are drawn, the worst first; None where all are."""
    if len({one.value for one in parts}) <= _MOST_PARTS:
        return None
    sign = 1 if METRICS.get(metric).higher_is_better else -1
    scores = {one.value: sign * one.score.value for one in parts if one.system == system and one.score.value is not None}
    return sorted(scores, key=lambda value: (scores[value], value))[:_NUM_WORST]


def _difference_plots(pairs: list[PairReport], names: Mapping[str, str], alpha: float) -> list[Plot]:
    """Returns one plot a metric, with a line a pair."""
    plots = []
    for metric in dict.fromkeys(pair.metric for pair in pairs):
        estimates = []
        for pair in pairs:
            if pair.metric != metric or pair.difference is None or pair.low is None or pair.high is None:
                continue
            label = printable(f"{names[pair.a]} − {names[pair.b]}")
            estimates.append(Estimate(label, direction(pair, alpha), pair.difference, pair.low, pair.high, pair.text))
        if estimates:
            better = _SIDES[METRICS.get(metric).higher_is_better]
            plots.append(interval_plot(f"{metric} ({better})", estimates, differences=True))
    return plots
