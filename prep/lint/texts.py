"""Texts as rules scan them, one row a text, and where a place in one stands in the record."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from prep.lint.rule import Finding

_PARTS = ("input", "answer", "rejected")
TEXT_COLUMNS = ("system", *_PARTS, *(f"{part}_field" for part in ("system", *_PARTS)), "messages")
"""The columns that a rule over texts declares."""


def texts(examples: pl.LazyFrame) -> pl.LazyFrame:
    """Returns one row a text that is not empty: the lint frame's columns, and `part`, `field`, `text`.

    A system message or instruction that many rows share comes once, at the first of them: it is one place to mend.
    """
    systems = examples.filter(pl.col("system") != "").sort("position").unique("system", keep="first", maintain_order=True)
    parts = [
        frame.filter(pl.col(part) != "").with_columns(part=pl.lit(part), text=pl.col(part), field=pl.col(f"{part}_field"))
        for part, frame in [("system", systems), *((part, examples) for part in _PARTS)]
    ]
    return pl.concat(parts)


def locate(row: Mapping[str, Any], start: int, end: int) -> tuple[str, tuple[int, int]]:
    """Returns the record's own field, and the span within it, of a span in `row["text"]` (a row of `texts`)."""
    name = row["field"]
    if row["part"] not in {"system", "input"} or name not in {"messages", "conversations"} or not row["messages"]:
        return name, (start, end)
    position = 0
    for index, message in enumerate(row["messages"]):
        if (message["role"] == "system") != (row["part"] == "system"):
            continue
        content = message["content"] or ""
        if start <= position + len(content):
            return f"{name}[{index}].{'content' if name == 'messages' else 'value'}", (start - position, end - position)
        position += len(content) + 1  # the texts were joined by a line break
    return name, (start, end)


def span_finding(row: Mapping[str, Any], start: int, end: int, message: str, **more: Any) -> Finding:
    """Returns a finding about a span of a text (a row of `texts`)."""
    field, span = locate(row, start, end)
    return Finding.at(row, message, field=field, span=span, **more)


def shorten(text: str | None, limit: int = 40) -> str:
    """Returns a text on one line, cut to a length, for a message."""
    line = " ".join((text or "").split())
    return line if len(line) <= limit else line[: limit - 3].rstrip() + "..."
