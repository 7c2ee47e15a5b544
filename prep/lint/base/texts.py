"""Texts as rules scan them, one row per text, and how positions in a text map to the record."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from prep.lint.base.finding import Finding
from prep.pii import mask
from prep.pii.masking import shorten
from prep.text.slot_differences import difference

_NUM_SHOWN = 3
_MAX_MASKED = 40_000  # longer texts are not masked for a few words of them, and so none is shown

_PARTS = ("input", "answer", "rejected")
TEXT_COLUMNS = ("system", *_PARTS, *(f"{part}_field" for part in ("system", *_PARTS)), "turns")
"""The columns that a rule over texts declares."""


def texts(examples: pl.LazyFrame) -> pl.LazyFrame:
    """Returns one row a text that is not empty: the lint frame's columns, and `part`, `field`, `text`.

    A system message or instruction that many rows share comes once, at the first of them: it is one place to fix.
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
    if row["part"] not in {"system", "input"} or name not in {"messages", "conversations"} or not row["turns"]:
        return name, (start, end)
    position = 0
    for index, turn in enumerate(row["turns"]):
        if turn["is_system"] != (row["part"] == "system"):
            continue
        if start <= position + turn["characters"]:
            return f"{name}[{index}].{'content' if name == 'messages' else 'value'}", (start - position, end - position)
        position += turn["characters"] + 1  # the texts were joined by a line break
    return name, (start, end)


def span_finding(row: Mapping[str, Any], start: int, end: int, message: str, **more: Any) -> Finding:
    """Returns a finding about a span of a text (a row of `texts`)."""
    field, span = locate(row, start, end)
    return Finding.at(row, message, field=field, span=span, **more)


def part_name(row: Mapping[str, Any]) -> str:
    """Returns what a message calls a text (a row of `texts`)."""
    return "system message" if row["part"] == "system" else str(row["part"])


def with_separators(number: pl.Expr) -> pl.Expr:
    """Returns whole numbers as messages write them: 12,345."""
    return number.cast(pl.String).str.reverse().str.replace_all(r"(\d{3})", "${1},").str.reverse().str.strip_chars_start(",")


def of_template(template: str) -> str:
    """Returns how a message begins that is about one template's rows; a foreign file's rows are of none."""
    return f"template '{template}': " if template else ""


def described(one: str, other: str) -> str:
    """Returns the difference of two texts in words, for a message, with identifiers masked."""
    if len(one) + len(other) > _MAX_MASKED:
        return f"{max(map(len, difference(one, other))):,} words differ"
    here, there = difference(mask(one), mask(other))
    if not here and not there and one != other and any(difference(one, other)):
        return "only personal identifiers differ"
    if here and there:
        return f"'{_listed(here)}' here, '{_listed(there)}' there"
    if here:
        return f"'{_listed(here)}' only here"
    return f"'{_listed(there)}' only there" if there else "same words, different order or punctuation"


def _listed(found: list[str]) -> str:
    return shorten(" ".join(found[:_NUM_SHOWN]) + (" ..." if len(found) > _NUM_SHOWN else ""))
