"""What the rows say where findings point: the text around a span, short and with personal identifiers masked."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl

from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.rule import RULES
from prep.pii import mask, mask_around
from prep.pii.masking import MASKED_CHARACTERS

_AROUND_CHARACTERS = 240
_MARKED_CHARACTERS = 480
_BATCH_ROWS = 256
_PARTS = ("system", "input", "answer", "rejected")
_BODY = "input_body"
"""The input without what its task's rows share: a column of the lint frame, and no record's field."""
_COLUMNS = ("id", *_PARTS, *(f"{part}_field" for part in _PARTS), "messages")
_MESSAGE_FIELD = re.compile(r"\w{1,40}\[(\d{1,9})\](?:\.(?:content|value|text))?")
_KIND = re.compile(r"\[[A-Z][A-Z0-9_]*\]")

Place: TypeAlias = tuple[str | None, str | None, tuple[int, int] | None]
"""The row's id, the field and the span that a finding points at."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A stretch of a field's text, masked.

    Attributes:
        before: the text before the marked part, or the text's beginning where no part is marked.
        marked: what the finding points at; empty where it points at the field as a whole.
        after: what follows, or the text's end.
        cut_before: text was left out before `before`.
        cut_between: text was left out between `before` and `after`, or where a part is marked, the rest of that part was.
        cut_after: text was left out after `after`.
    """

    before: str
    marked: str
    after: str
    cut_before: bool = False
    cut_between: bool = False
    cut_after: bool = False


Excerpts: TypeAlias = Mapping[Place, Excerpt]


def place_of(diagnostic: Diagnostic) -> Place:
    """Returns what a diagnostic's excerpt is found by."""
    rule = RULES.entries.get(diagnostic.code)
    if rule is not None and rule.quotes_input and diagnostic.span is None:
        return diagnostic.id, _BODY, None
    return diagnostic.id, diagnostic.field, diagnostic.span


def make_excerpts(frame: pl.LazyFrame, diagnostics: Iterable[Diagnostic]) -> dict[Place, Excerpt]:
    """Returns the text that each diagnostic points at, where there is one.

    The rows are read in batches and each is cut at once, so that a thousand long rows are never held together.

    Args:
        frame: the lint frame.
        diagnostics: those that are shown.
    """
    wanted: dict[str, list[Diagnostic]] = {}
    for one in diagnostics:
        if one.id is not None and place_of(one)[1] is not None:
            wanted.setdefault(one.id, []).append(one)
    found: dict[Place, Excerpt] = {}
    columns = [*_COLUMNS, *({"fields", _BODY} & set(frame.collect_schema().names()))]
    for row in rows_of(frame, wanted, columns):
        for one in wanted[row["id"]]:
            field = place_of(one)[1] or ""
            text = (row.get(_BODY) or row["input"] or row["answer"]) if field == _BODY else field_text(row, field, one.span)
            if text:
                found[place_of(one)] = cut_excerpt(text, one.span, kind=one.kind if hides(one) else None)
    return found


def hides(diagnostic: Diagnostic) -> bool:
    """Says whether what a diagnostic points at must not be shown. A plain web address says where a text is from, no more."""
    return diagnostic.code.startswith("PII") and diagnostic.kind != "URL"


def rows_of(frame: pl.LazyFrame, ids: Iterable[str], columns: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yields the rows of the lint frame that have these ids, in no order that holds."""
    names = list(dict.fromkeys(("id", *columns)))
    keys = pl.LazyFrame({"id": list(ids)}, schema={"id": pl.String()})
    query = frame.select(names).join(keys, on="id", how="semi")
    for batch in query.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=False, engine="streaming"):
        yield from batch.iter_rows(named=True)


def field_text(row: Mapping[str, Any], field: str, span: tuple[int, int] | None = None) -> str | None:
    """Returns the text of a record's field from its row of the lint frame, or None where it holds none of that name, or is too short
    for the span.
    """
    for text in _candidates(row, field):
        if text is not None and (span is None or 0 <= span[0] < span[1] <= len(text)):
            return text
    return None


def _candidates(row: Mapping[str, Any], field: str) -> Iterator[str | None]:
    match = _MESSAGE_FIELD.fullmatch(field)
    messages = row.get("messages") or []
    if match and int(match[1]) < len(messages):
        yield messages[int(match[1])]["content"]
    # Input before system: where both stand in one field of the record, the question is what rules look at.
    for part in ("answer", "rejected", "input", "system"):
        if field in {part, row.get(f"{part}_field")}:
            yield row.get(part)
    if row.get("fields"):
        value = json.loads(row["fields"]).get(field)
        yield value if isinstance(value, str) else None


def cut_excerpt(text: str, span: tuple[int, int] | None, *, kind: str | None = None) -> Excerpt:
    """Cuts a text around a span, and masks it.

    Args:
        text: the whole field.
        span: `[start, end)` in characters; None for the field as a whole.
        kind: what the marked part is shown as, where it must not be shown itself.
    """
    if span is None:
        return _whole(text)
    start, end = span
    low, high = max(start - MASKED_CHARACTERS, 0), min(start + MASKED_CHARACTERS, end)
    tail = text[high : high + MASKED_CHARACTERS] if high == end else ""
    window = text[low:high] + tail
    masked, (start, stop) = mask_around(window, (start - low, high - low))
    before, marked, after = masked[:start], masked[start:stop], masked[stop:]
    if kind is not None and marked != f"[{kind}]" and not _KIND.fullmatch(marked):
        marked = f"[{kind}]"
    return Excerpt(
        before[-_AROUND_CHARACTERS:],
        marked[:_MARKED_CHARACTERS],
        after[:_AROUND_CHARACTERS],
        cut_before=low > 0 or len(before) > _AROUND_CHARACTERS,
        cut_between=high < end or len(marked) > _MARKED_CHARACTERS,
        cut_after=high == end and (high + len(tail) < len(text) or len(after) > _AROUND_CHARACTERS),
    )


def _whole(text: str) -> Excerpt:
    if len(text) <= 2 * MASKED_CHARACTERS:
        masked = mask(text)
        if len(masked) <= 2 * _AROUND_CHARACTERS:
            return Excerpt(masked, "", "")
        return Excerpt(masked[:_AROUND_CHARACTERS], "", masked[-_AROUND_CHARACTERS:], cut_between=True)
    head, tail = mask(text[:MASKED_CHARACTERS]), mask(text[-MASKED_CHARACTERS:])
    return Excerpt(head[:_AROUND_CHARACTERS], "", tail[-_AROUND_CHARACTERS:], cut_between=True)
