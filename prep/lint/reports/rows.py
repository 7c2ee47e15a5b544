"""Rows as the page shows them: every part of a row, masked and cut, with what findings point at marked in it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from loopwright.console import printable
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.excerpts import Excerpt, cut_excerpt, hides, make_excerpts, place_of, rows_of
from prep.lint.reports.underline import CUT, visible
from prep.pii import mask, mask_around

_PARTS = ("system", "input", "answer", "rejected")
COLUMNS = ("source", "line", "split", "template", *_PARTS, *(f"{part}_field" for part in _PARTS), "messages")
_WHOLE_CHARACTERS = 6_000
_QUIET_CHARACTERS = 420
_QUOTED_CHARACTERS = 90
_MAX_FINDINGS = 12
_MAX_MARKS = 12
_MAX_TURNS = 10
_ANSWERS = {"answer", "assistant"}
GAP = " […] "


@dataclass(frozen=True, slots=True)
class Piece:
    """A span of text and the findings that point at it; none for the text around."""

    text: str
    codes: str = ""
    severity: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One message or field of a row."""

    title: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class RowView:
    """A row as the page shows it; all text is masked.

    Attributes:
        id: of the example.
        place: `file:line`.
        split: its split.
        template: its template, where it has one.
        findings: what was found of it, the worst first, at most 12; each with how often the same is found in the same field.
        num_more: how many findings are not among them.
        parts: its messages or fields.
    """

    id: str
    place: str
    split: str
    template: str
    findings: tuple[tuple[Diagnostic, int], ...]
    num_more: int
    parts: tuple[Part, ...]


def view_rows(frame: pl.LazyFrame, ids: Sequence[str], diagnostics: Iterable[Diagnostic]) -> dict[str, RowView]:
    """Returns the rows of these ids, each with its findings among the diagnostics."""
    wanted = set(ids)
    found: dict[str, list[Diagnostic]] = defaultdict(list)
    for one in diagnostics:
        if one.id in wanted and one.id is not None:
            found[one.id].append(one)
    return {row["id"]: _view(row, sorted(found[row["id"]], key=lambda one: -one.severity.rank)) for row in rows_of(frame, wanted, COLUMNS)}


def quotes(frame: pl.LazyFrame, diagnostics: Sequence[Diagnostic]) -> list[tuple[Piece, ...]]:
    """Returns of each finding the text that it points at, in pieces; nothing of one about the dataset, or a line that cannot be read."""
    pointing = [one if one.field is not None else replace(one, field="input") for one in diagnostics]
    excerpts = make_excerpts(frame, pointing)
    return [tuple(_quote(excerpts.get(place_of(one)), one)) for one in pointing]


def _quote(excerpt: Excerpt | None, one: Diagnostic) -> Iterator[Piece]:
    if excerpt is None:
        return
    before, after = printable(excerpt.before), printable(excerpt.after)
    if not excerpt.marked:
        text = before + GAP * excerpt.cut_between + after
        yield Piece(text if len(text) <= 2 * _QUOTED_CHARACTERS else text[: 2 * _QUOTED_CHARACTERS].rstrip() + CUT)
        return
    is_cut = excerpt.cut_before or len(before) > _QUOTED_CHARACTERS
    yield Piece(CUT * is_cut + before[-_QUOTED_CHARACTERS:])
    yield _marked(excerpt.marked, one, limit=2 * _QUOTED_CHARACTERS)
    is_cut = excerpt.cut_after or len(after) > _QUOTED_CHARACTERS
    yield Piece(after[:_QUOTED_CHARACTERS] + CUT * is_cut)


def _view(row: Mapping[str, Any], findings: Sequence[Diagnostic]) -> RowView:
    counts = Counter((one.code, one.field, one.message) for one in findings)
    first = {(one.code, one.field, one.message): one for one in reversed(findings)}
    told = [(first[key], count) for key, count in counts.items()][:_MAX_FINDINGS]
    parts = []
    for title, names, text in named_parts(row):
        pointing = [one for one in findings if one.span is not None and one.field in names]
        parts.append(Part(title, tuple(_pieces(text, pointing))))
    return RowView(
        id=row["id"],
        place=printable(f"{row['source']}:{row['line']}"),
        split=row["split"],
        template=row["template"] or "",
        findings=tuple(told),
        num_more=len(findings) - sum(count for _, count in told),
        parts=tuple(part for part in parts if part.pieces or part.title in _ANSWERS),
    )


def named_parts(row: Mapping[str, Any]) -> Iterator[tuple[str, set[str], str]]:
    """Yields title, the fields by which findings may name it, and text of each part of a row."""
    names = {part: {part, row[f"{part}_field"]} for part in _PARTS}
    turns = row["messages"] or []
    last = len(turns) - 1
    answered = bool(turns) and turns[last]["role"] == "assistant"
    asking = [index for index, turn in enumerate(turns) if turn["role"] != "system" and not (answered and index == last)]
    kept = range(len(turns)) if len(turns) <= _MAX_TURNS else [0, *range(last - _MAX_TURNS + 2, last + 1)]
    for index in kept:
        own = {f"{name}[{index}]{rest}" for name in ("messages", "conversations") for rest in ("", ".content", ".value")}
        if answered and index == last:
            own |= names["answer"]
        elif asking == [index]:
            own |= names["input"]
        elif turns[index]["role"] == "system":
            own |= {"system"}
        yield turns[index]["role"], own, turns[index]["content"] or ""
    left = ("rejected",) if answered else ("answer", "rejected") if turns else _PARTS
    for part in left:
        if row[part] or (row[part] is not None and part == "answer"):
            yield part, names[part], row[part]


def _pieces(text: str, pointing: Sequence[Diagnostic]) -> Iterator[Piece]:
    """Cuts a text into the spans that findings point at and the text between."""
    if len(text) > _WHOLE_CHARACTERS:
        yield from _far_pieces(text, pointing)
        return
    marks = []
    masked = mask(text)
    for one in pointing:
        assert one.span is not None
        if 0 <= one.span[0] < one.span[1] <= len(text):
            masked, place = mask_around(text, one.span)
            marks.append((place, one))
    position = 0
    for (start, end), one in sorted(marks, key=lambda mark: mark[0])[:_MAX_MARKS]:
        if start < position or start == end:
            continue
        yield from _quiet(masked[position:start])
        yield _marked(masked[start:end], one)
        position = end
    yield from _quiet(masked[position:])


def _far_pieces(text: str, pointing: Sequence[Diagnostic]) -> Iterator[Piece]:
    """Of a text too long to be masked as a whole: the places that findings point at, else its beginning and end."""
    if not pointing:
        whole = cut_excerpt(text, None)
        yield Piece(printable(whole.before + GAP + whole.after))
    for one in pointing[:3]:
        excerpt = cut_excerpt(text, one.span, kind=one.kind if hides(one) else None)
        yield Piece(printable(GAP * excerpt.cut_before + excerpt.before))
        yield _marked(excerpt.marked, one)
        yield Piece(printable(GAP * excerpt.cut_between + excerpt.after + GAP * excerpt.cut_after))


def _marked(text: str, one: Diagnostic, *, limit: int = 2 * _QUIET_CHARACTERS) -> Piece:
    if hides(one) and not (text.startswith("[") and text.endswith("]")):
        text = f"[{one.kind or 'SECRET'}]"
    shown = printable(text) if text.strip() else visible(text, alone=True)
    return Piece(shown if len(shown) <= limit else shown[:limit] + GAP, one.code, one.severity.value)


def _quiet(text: str) -> Iterator[Piece]:
    """Yields a stretch that nothing points at, without its middle where it is long."""
    if text:
        half = _QUIET_CHARACTERS
        yield Piece(printable(text if len(text) <= 2 * half + len(GAP) else text[:half] + GAP + text[-half:]))
