"""Small tables for notebooks: escaped text in the notebook's own colours, so that they are readable in light and in dark."""

from collections.abc import Iterable, Sequence
from html import escape

from loopwright.console import printable

_CELL = "padding:0.15em 0.8em 0.15em 0;border:0;border-bottom:1px solid rgba(128,128,128,0.35);vertical-align:top;"


def html_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], notes: Iterable[str] = ()) -> str:
    """Returns a table as HTML. All text is escaped; None is an empty cell, and numbers stand at the right.

    Args:
        title: the line above it.
        columns: the headings.
        rows: the cells.
        notes: lines below it.
    """
    head = "".join(f'<th style="{_CELL}text-align:left">{_text(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    below = "".join(f"<div>{_text(note)}</div>" for note in notes)
    table = f'<table style="border-collapse:collapse;margin:0.3em 0"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div style="color:inherit;background:transparent"><div><strong>{_text(title)}</strong></div>{table}{below}</div>'


def _cell(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    shown = "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)
    return f'<td style="{_CELL}text-align:{"right" if is_number else "left"}">{_text(shown)}</td>'


def _text(text: str) -> str:
    return escape(printable(text))
