"""Rounds in the terminal."""

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from evals.compare.verdict import format_p
from evals.data.contract import MetricValue
from loop.record import Comparison, RoundRecord, round_name, tuned_metrics
from loopwright.console import printable


def comparison_table(record: RoundRecord, comparison: Comparison) -> Table:
    """Returns this round's adapter against that of the round before, on the examples that both have."""
    names = list(comparison.values)
    title = f"round {record.number} against round {comparison.before}, on {comparison.num_common} common validation examples"
    table = _table(title, "metric", round_name(record.number), round_name(comparison.before), "difference", "interval", "p (Holm)")
    for pair in comparison.pairs:
        values = [_value(comparison.values[name].get(pair.metric)) for name in names]
        if pair.difference is None or pair.p_holm is None:
            table.add_row(pair.metric, *values, "-", "no common score", "")
            continue
        table.add_row(pair.metric, *values, f"{pair.difference:+.3f}", escape(pair.interval), format_p(pair.p_holm))
    return table


def rounds_table(records: list[RoundRecord]) -> Table:
    """Returns all rounds, one a line; the metrics are the adapter's on each round's own validation split."""
    metrics = list(dict.fromkeys(name for record in records for name in tuned_metrics(record)))
    columns = ("round", "train", "fixes", "lint", "valid. loss", *metrics, "failures", "against the round before")
    table = _table("rounds (lint: findings)", *columns)
    for record in records:
        values = tuned_metrics(record)
        table.add_row(
            str(record.number),
            str(record.splits["train"]),
            str(record.num_fixes),
            str(sum(record.lint.values())),
            "-" if record.validation_loss is None else f"{record.validation_loss:.4f}",
            *(_value(values.get(name)) for name in metrics),
            str(record.num_failures),
            _against_before(record),
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=escape(printable(title)), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for index, name in enumerate(columns):
        table.add_column(escape(printable(name)), justify="right" if index else "left", overflow="fold")
    return table


def _value(value: MetricValue | None) -> str:
    if value is None or value.value is None:
        return "-"
    return escape(value.text)


def _against_before(record: RoundRecord) -> str:
    if record.comparison is None:
        return "-"
    detail = record.comparison.detail
    if detail.difference is None:
        return detail.outcome
    return f"{detail.outcome}: {detail.metric} {detail.difference:+.3f}"
