"""Texts as rules scan them, one row a text, and where a place in one stands in the record."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from prep.lint.rule import Finding
from prep.pii import mask, mask_around

# An identifier is found by the words around it and may itself be long (a private key, an address with a password): it is masked in this
# much text around what is shown, before that is cut.
MASKED_CHARACTERS = 3_000
_PARTS = ("input", "answer", "rejected")
TEXT_COLUMNS = ("system", *_PARTS, *(f"{part}_field" for part in ("system", *_PARTS)), "turns")
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


def mask_near(text: str, span: tuple[int, int]) -> tuple[str, tuple[int, int]]:
    """Returns a span's surroundings, masked, and where the span lies in them; a text of megabytes is not masked for a few words of it."""
    start, end = span
    low = max(start - MASKED_CHARACTERS, 0)
    return mask_around(text[low : end + MASKED_CHARACTERS], (start - low, end - low))


def shorten(text: str | None, limit: int = 40, *, span: tuple[int, int] | None = None) -> str:
    """Returns a text, or a span of it, for a message: on one line, its identifiers masked, cut to a length.

    Half an identifier is none to a pattern, and one without the words before it is a number like others: what is given here is the
    whole text, which is masked before it is cut.

    Args:
        text: the whole text.
        limit: how many characters are shown.
        span: `[start, end)` of what is shown; None for all of it.
    """
    text = text or ""
    start, end = span or (0, len(text))
    stop = min(end, start + MASKED_CHARACTERS)
    masked, (first, last) = mask_near(text, (start, stop))
    line = " ".join(masked[first:last].split())
    return line if len(line) <= limit and stop == end else line[: limit - 3].rstrip() + "..."


def shorten_end(text: str, limit: int = 40) -> str:
    """Returns the end of a text for a message, as `shorten` returns a beginning."""
    line = " ".join(mask(text[-MASKED_CHARACTERS:]).split())
    return line if len(line) <= limit and len(text) <= MASKED_CHARACTERS else "..." + line[3 - limit :].lstrip()
