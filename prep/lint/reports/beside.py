"""Rows beside one another: conflicts, duplicates and leaks, with the words marked in which the rows differ."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from loopwright.console import printable
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.excerpts import cut_excerpt, rows_of
from prep.lint.base.finding import Severity
from prep.lint.reports.order import worst_in_turn
from prep.lint.reports.rows import COLUMNS, GAP, Part, Piece, named_parts
from prep.pii import mask
from prep.text.diff import Change, word_diff

CONFLICT_CODES = ("CON201", "CON202")
DUPLICATE_CODES = ("DUP301", "DUP302", "DUP303")
LEAK_CODES = ("LEK401", "LEK402", "LEK403", "LEK404")
_MAX_CONFLICTS = 20
_MAX_CLUSTERS = 20
_MAX_MEMBERS = 5
_MAX_LEAKS = 10
# Comparing takes time with the square of what differs, and rows that stand here differ little.
_COMPARED_CHARACTERS = 6_000
_SAME_CHARACTERS = 160
_CHANGED_CHARACTERS = 400
_MAX_PIECES = 40
_DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Side:
    """A row beside others: where it stands and what it asks and answers, masked and cut, what the others lack marked."""

    place: str
    split: str
    parts: tuple[Part, ...]

    def excerpt(self, limit: int = 220) -> str:
        """The beginning of its first part, for a list."""
        text = " ".join("".join(piece.text for piece in self.parts[0].pieces).split()) if self.parts else ""
        return text if len(text) <= limit else text[:limit].rstrip() + " …"


@dataclass(frozen=True, slots=True)
class Pair:
    """A finding about two rows: the row that has it and the one that it speaks of."""

    code: str
    severity: Severity
    message: str
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Rows that are duplicates of one another: how many, and some of them."""

    num_rows: int
    codes: tuple[str, ...]
    members: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """What the page shows of rows that belong together.

    Attributes:
        conflicts: pairs of one input and two answers, the worst first.
        num_in_conflict: the rows that have such a finding.
        clusters: the largest sets of duplicates.
        num_clusters: how many there are.
        num_in_clusters: their rows.
        leaks: rows of an evaluation split, the worst first, each with the row of another split that gives it away.
    """

    conflicts: list[Pair]
    num_in_conflict: int
    clusters: list[Cluster]
    num_clusters: int
    num_in_clusters: int
    leaks: list[Pair]


def rows_beside(frame: pl.LazyFrame, diagnostics: Sequence[Diagnostic]) -> Beside:
    """Returns the rows that findings tie together, beside one another.

    Args:
        frame: the lint frame.
        diagnostics: the report's.
    """
    in_conflict = [one for one in diagnostics if one.code in CONFLICT_CODES and one.id and one.related]
    conflicts = _once(worst_in_turn(in_conflict))[:_MAX_CONFLICTS]
    leaks = worst_in_turn(one for one in diagnostics if one.code in LEAK_CODES and one.id and one.related)[:_MAX_LEAKS]
    clusters = _clusters(diagnostics)
    shown = clusters[:_MAX_CLUSTERS]
    pairs = [[one.id or "", one.related[0]] for one in (*conflicts, *leaks)]
    groups = [*pairs, *(ids[:_MAX_MEMBERS] for ids, _ in shown)]
    wanted = {id for ids in groups for id in ids}
    texts = {row["id"]: _Texts.of(row) for row in rows_of(frame, wanted, COLUMNS)}
    sides = [_compare([texts[id] for id in ids if id in texts]) for ids in groups]
    told = [
        Pair(one.code, one.severity, one.message, of_pair)
        for one, of_pair in zip((*conflicts, *leaks), sides, strict=False)
        if len(of_pair) == 2
    ]
    return Beside(
        conflicts=[one for one in told if one.code in CONFLICT_CODES],
        num_in_conflict=len({one.id for one in in_conflict}),
        clusters=[Cluster(len(ids), codes, members) for (ids, codes), members in zip(shown, sides[len(pairs) :], strict=True)],
        num_clusters=len(clusters),
        num_in_clusters=sum(len(ids) for ids, _ in clusters),
        leaks=[one for one in told if one.code in LEAK_CODES],
    )


def _once(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Returns one finding of each two rows: the row that a conflict speaks of has the same finding."""
    pairs: dict[frozenset[str | None], Diagnostic] = {}
    for one in diagnostics:
        pairs.setdefault(frozenset((one.id, one.related[0])), one)
    return list(pairs.values())


def _clusters(diagnostics: Iterable[Diagnostic]) -> list[tuple[list[str], tuple[str, ...]]]:
    """Returns the sets of rows that duplicate findings tie together, each with the rules that did, the largest first."""
    parent: dict[str, str] = {}

    def root(id: str) -> str:
        while parent.setdefault(id, id) != id:
            parent[id] = id = parent[parent[id]]
        return id

    ties: list[tuple[str, str]] = []
    for one in diagnostics:
        if one.code in DUPLICATE_CODES and one.id is not None:
            ties.append((one.id, one.code))
            for other in one.related:
                parent[root(one.id)] = root(other)
    members: dict[str, list[str]] = defaultdict(list)
    for id in parent:
        members[root(id)].append(id)
    codes: dict[str, set[str]] = defaultdict(set)
    for id, code in ties:
        codes[root(id)].add(code)
    largest_first = sorted(members.items(), key=lambda item: (-len(item[1]), item[1][0]))
    return [(sorted(ids), tuple(sorted(codes[one]))) for one, ids in largest_first if len(ids) > 1]


@dataclass(frozen=True, slots=True)
class _Texts:
    """What is compared of a row: its parts but the system message, masked."""

    place: str
    split: str
    parts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "_Texts":
        parts = [(title, _masked(text)) for title, _, text in named_parts(row) if title != "system"]
        return cls(printable(f"{row['source']}:{row['line']}"), row["split"], tuple(parts))


def _masked(text: str) -> str:
    if len(text) <= _COMPARED_CHARACTERS:
        return mask(text)
    ends = cut_excerpt(text, None)
    return ends.before + GAP * ends.cut_between + ends.after


def _compare(rows: Sequence[_Texts]) -> tuple[Side, ...]:
    """Returns the rows, the first compared with the second and each other one with the first."""
    sides = []
    for number, row in enumerate(rows):
        other = rows[1 if number == 0 and len(rows) > 1 else 0]
        parts = []
        for index, (title, text) in enumerate(row.parts):
            against = other.parts[index][1] if index < len(other.parts) and other.parts[index][0] == title else None
            parts.append(Part(title, tuple(_marked(text, text if against is None else against))))
        sides.append(Side(row.place, row.split, tuple(parts)))
    return tuple(sides)


def _marked(text: str, other: str) -> Iterator[Piece]:
    """Yields a text in pieces, those marked that the other text lacks, and long stretches that both have without their middle."""
    runs: list[tuple[Change, str]] = []
    for change, run in word_diff(other, text):
        if change == "removed":
            continue
        if len(runs) > 1 and change == runs[-2][0] == "added" and not runs[-1][1].strip():
            runs[-2:] = [(change, runs[-2][1] + runs[-1][1] + run)]  # two words in a row that differ are one difference
        else:
            runs.append((change, run))
    for number, (change, run) in enumerate(runs[:_MAX_PIECES]):
        if change == "added":
            shown = printable(run)
            yield Piece(shown if len(shown) <= _CHANGED_CHARACTERS else shown[:_CHANGED_CHARACTERS] + GAP, _DIFFERS, _DIFFERS)
        else:
            yield Piece(_around(printable(run), first=number == 0, last=number == len(runs) - 1))
    if len(runs) > _MAX_PIECES:
        yield Piece(GAP)


def _around(text: str, *, first: bool, last: bool) -> str:
    """Cuts what both texts have: what stands beside a difference says more than the text's beginning or end."""
    if first and last:
        head = tail = _SAME_CHARACTERS
    else:
        head, tail = _SAME_CHARACTERS // (2 if first else 1), _SAME_CHARACTERS // (2 if last else 1)
    return text if len(text) <= head + tail + len(GAP) else text[:head] + GAP + text[-tail:]
