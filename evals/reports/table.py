"""The end of an evaluation in the terminal: systems by metrics, differences, verdict."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from evals.compare.verdict import format_p
from evals.data.contract import Outcome, PairReport, Report
from evals.data.role import Role
from loopwright.console import printable

if TYPE_CHECKING:
    from rich.table import Table

_COLOURS: dict[Outcome, str] = {
    "better": "bold green",
    "better than base": "bold yellow",
    "worse": "bold red",
    "no difference that matters": "bold",
    "cannot tell": "bold yellow",
}


def short_names(report: Report) -> dict[str, str]:
    """Returns what each system is called where room is short: `adapter` where one tuned system alone is there."""
    tuned = [label for label, system in report.systems.items() if system.role is Role.TUNED]
    return {label: "adapter" if [label] == tuned else label for label in report.systems}


def systems_table(report: Report) -> "Table":
    """Returns each system's metrics with their intervals."""
    title = f"{report.dataset_name}: {report.num_examples} examples of {report.split}, {report.form} form"
    table = _table(
        title, {"system": "left", "metric": "left", "value": "right", "interval": "right", "scored": "right", "per second": "right"}
    )
    short = short_names(report)
    for label, system in report.systems.items():
        table.add_section()
        first = (short[label], f"{system.n_scored}/{system.n_total}", f"{system.examples_per_second:,.1f}")
        for name, value in system.metrics.items():
            shown = "-" if value.value is None else f"{value.value:.3f}"
            table.add_row(*_escaped(first[0], name, shown, value.interval, *first[1:]))
            first = ("", "", "")
    return table


def pairs_table(report: Report) -> "Table":
    """Returns the paired differences of an evaluation."""
    return differences_table(report.pairs, short_names(report))


def differences_table(pairs: Sequence[PairReport], short: Mapping[str, str]) -> "Table":
    """Returns paired differences.

    Args:
        pairs: what to show.
        short: what each system is called.
    """
    columns = {"difference of": "left", "metric": "left", "value": "right", "interval": "right", "p (Holm)": "right", "detectable": "right"}
    table = _table("paired differences", columns)
    for pair in pairs:
        names = f"{short[pair.a]} - {short[pair.b]}"
        if pair.difference is None or pair.p_holm is None:
            value, why = ("-", "no common examples") if pair.difference is None else (f"{pair.difference:+.3f}", pair.interval)
            table.add_row(*_escaped(names, pair.metric, value, why, "", ""))
            continue
        smallest = "-" if pair.smallest_effect is None else f"{pair.smallest_effect:.3f}"
        table.add_row(*_escaped(names, pair.metric, f"{pair.difference:+.3f}", pair.interval, format_p(pair.p_holm), smallest))
    return table


def verdict_markup(report: Report) -> str:
    """Returns the verdict line in Rich markup, its text escaped."""
    return in_colour(report.verdict, report.verdict_detail.outcome)


def in_colour(verdict: str, outcome: Outcome) -> str:
    """Returns a verdict in Rich markup, its text escaped."""
    from rich.markup import escape

    return f"[{_COLOURS[outcome]}]{escape(printable(verdict))}[/]"


def text_table(title: str, columns: dict[str, str], rows: Iterable[Sequence[str]]) -> "Table":
    """Returns a table of plain texts: none of them is markup, or anything that a terminal would obey.

    Args:
        title: the line above it.
        columns: heading -> the side on which its cells stand.
        rows: the cells.
    """
    table = _table(title, columns)
    for row in rows:
        table.add_row(*_escaped(*row))
    return table


def _table(title: str, columns: dict[str, str]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(printable(title)), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, side in columns.items():
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=side == "right", overflow="fold")
    return table


def _escaped(*cells: str) -> list[str]:
    from rich.markup import escape

    return [escape(printable(cell)) for cell in cells]
