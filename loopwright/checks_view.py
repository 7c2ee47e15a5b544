"""What `loopwright doctor` found, as a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loopwright.checks import Check, State
from loopwright.console import printable

if TYPE_CHECKING:
    from rich.table import Table

_STYLES = {State.OK: "green", State.MISSING: "yellow", State.FAILED: "bold red"}


def checks_table(checks: Sequence[Check]) -> "Table":
    """Returns one row a check, with the remedy below what was found."""
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(Column("what", no_wrap=True), Column("state", no_wrap=True), Column("found", overflow="fold"), box=None)
    for one in checks:
        found = Text(printable(one.detail))  # Text: a path's brackets are no markup
        if one.remedy:
            found.append(printable(f"\n{one.remedy}"), style="bold")
        table.add_row(Text(printable(one.name)), Text(one.state, style=_STYLES[one.state]), found)
    return table
