"""Rounds in the terminal."""

from rich.markup import escape
from rich.table import Table

from evals.table import format_value
from loop.record import Comparison, RoundRecord, tuned_metrics


def comparison_table(record: RoundRecord, comparison: Comparison) -> Table:
    """Returns this round's adapter against that of the round before, on the examples that both have."""
    title = f"round {record.number} against round {comparison.before}, on {comparison.num_common} common validation examples"
    table = Table(title=escape(title), title_justify="left")
    table.add_column("metric", no_wrap=True)
    for name in (*comparison.values, "difference", "p (Holm)"):
        table.add_column(escape(name.removeprefix("adapter:")), justify="right", no_wrap=True)
    for pair in comparison.pairs:
        values = [format_value(values.get(pair.metric)) for values in comparison.values.values()]
        if pair.difference is None or pair.low is None or pair.high is None or pair.p_holm is None:
            table.add_row(pair.metric, *values, "no common score", "")
            continue
        table.add_row(pair.metric, *values, rf"{pair.difference:+.3f} \[{pair.low:+.3f}, {pair.high:+.3f}]", f"{pair.p_holm:.3f}")
    return table


def rounds_table(records: list[RoundRecord]) -> Table:
    """Returns all rounds, one a line; the metrics are the adapter's on each round's own validation split."""
    metrics = list(dict.fromkeys(name for record in records for name in tuned_metrics(record)))
    table = Table(title="rounds", title_justify="left")
    for name in ("round", "train", "fixes", "lint findings", "validation loss", *metrics, "failures", "against the round before"):
        table.add_column(name, justify="right")
    for record in records:
        values = tuned_metrics(record)
        loss = "-" if record.validation_loss is None else f"{record.validation_loss:.4f}"
        table.add_row(
            str(record.number),
            str(record.splits["train"]),
            str(record.num_fixes),
            str(sum(record.lint.values())),
            loss,
            *(format_value(values.get(name)) for name in metrics),
            str(record.num_failures),
            _against_before(record),
        )
    return table


def _against_before(record: RoundRecord) -> str:
    if record.comparison is None:
        return "-"
    detail = record.comparison.detail
    if detail.difference is None:
        return detail.outcome
    return f"{detail.outcome}: {detail.metric} {detail.difference:+.3f}"
