"""Which kinds of fact a task's answers keep: what its template says, else what its rows show."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.groups import Row
from prep.text.facts import Fact, FactIndex, extract_facts, stands_in

# Kinds that are checked for support wherever a task restates its input. Times and bare numbers follow from others too often.
RESTATED_KINDS = ("code", "money", "percent", "dose", "date")
_SAMPLE_ROWS = 500
_MAX_INDEXES = 50_000


@dataclass(frozen=True, slots=True)
class RowFacts:
    """The facts of one example.

    Attributes:
        row: its row.
        missing: facts of the input that the answer lacks.
        unsupported: facts of the answer that the input lacks.
        asked: kinds of fact that the input holds.
        given: kinds of fact that the answer holds.
    """

    row: Row
    missing: list[Fact]
    unsupported: list[Fact]
    asked: frozenset[str]
    given: frozenset[str]


class _FactIndexes:
    """The facts of texts, for rules that ask for the same ones."""

    def __init__(self) -> None:
        self._known: dict[str, FactIndex] = {}

    def of(self, text: str) -> FactIndex:
        """Returns the facts of a text."""
        index = self._known.get(text)
        if index is None:
            if len(self._known) >= _MAX_INDEXES:
                self._known.clear()
            index = self._known[text] = FactIndex(text)
        return index


def row_facts(row: Row, context: Context) -> RowFacts:
    """Compares the facts of an example's input and answer. A system message supports facts, but asks for none to be kept."""
    known = context.once(_FactIndexes)
    source, answer = known.of(row["input"]), known.of(row["answer"])
    system = known.of(row["system"]) if row["system"] else None
    missing = {(fact.kind, fact.value): fact for fact in source.facts if fact.kind != "number" and not answer.holds(fact)}
    unsupported = {
        (fact.kind, fact.value): fact
        for fact in answer.facts
        if _written_in_digits(fact, row["answer"]) and not source.holds(fact) and not (system and system.holds(fact))
    }
    return RowFacts(
        row,
        list(missing.values()),
        list(unsupported.values()),
        frozenset(fact.kind for fact in source.facts),
        frozenset(fact.kind for fact in answer.facts if _written_in_digits(fact, row["answer"])),
    )


def _written_in_digits(fact: Fact, text: str) -> bool:
    """Bare numbers count from 10 up, in digits: "1." begins a list, and "two" is everywhere."""
    if fact.kind != "number":
        return True
    written = text[fact.start : fact.end]
    return written[0].isdigit() and len(written) > 1


def by_task(found: pl.DataFrame) -> Iterator[tuple[Row, pl.DataFrame]]:
    """Yields the rows of each task, with the first of them."""
    for rows in found.partition_by("task", maintain_order=True):
        yield rows.row(0, named=True), rows


def sampled(rows: pl.DataFrame, context: Context) -> Iterator[RowFacts]:
    """Yields the facts of up to 500 rows, evenly spread, from which a task's habits are read."""
    for row in rows.gather_every(max(rows.height // _SAMPLE_ROWS, 1)).head(_SAMPLE_ROWS).iter_rows(named=True):
        yield row_facts(row, context)


def spread(examples: pl.LazyFrame, limit: int) -> pl.LazyFrame:
    """Returns the rows, or where they are more than `limit` about as many, evenly spread over the file.

    Args:
        examples: rows with a `position`.
        limit: how many rows are enough.
    """
    num_rows = examples.select(pl.len()).collect(engine="streaming").item()
    if num_rows <= limit:
        return examples
    return examples.filter(pl.col("position").hash(0) % num_rows < limit)


def all_stand_in(text: str, kinds: Container[str], *sources: str) -> bool:
    """Says whether the other texts contain all facts of a text letter for letter: most do, and need no closer look."""
    return all(
        any(stands_in(text[fact.start : fact.end], source) for source in sources if source)
        for fact in extract_facts(text, kinds)
        if _written_in_digits(fact, text)
    )


def kept_kinds(facts: Iterable[RowFacts], *, min_rows: int, min_share: float) -> tuple[str, ...]:
    """Returns the kinds of fact that a task's answers keep: enough inputs have the kind, and of their answers most keep all of it."""
    present: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    for one in facts:
        present.update(one.asked - {"number"})
        broken.update({fact.kind for fact in one.missing})
    return _usual_kinds(present, broken, min_rows, min_share)


def supported_kinds(facts: Iterable[RowFacts], *, min_rows: int, min_share: float) -> tuple[str, ...]:
    """Returns the kinds of fact that a task's answers take from the input.

    A kind counts by itself where enough answers have it; and the restated kinds count together where enough answers have any fact at
    all, since a small set of contracts has few amounts, and yet none that its clauses lack.
    """
    present: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    for one in facts:
        present.update(one.given | ({_ANY} if one.given else set()))
        broken.update({fact.kind for fact in one.unsupported} | ({_ANY} if one.unsupported else set()))
    kinds = _usual_kinds(present, broken, min_rows, min_share)
    return tuple({*kinds, *RESTATED_KINDS} - {_ANY}) if _ANY in kinds else kinds


def computed_kinds(facts: Iterable[RowFacts], *, min_rows: int) -> set[str]:
    """Returns the kinds of fact that a task's answers work out: enough answers have the kind, and most bring their own.

    What a template declares is a wish; where two answers in three do otherwise ("16 - 3 - 4 = 9", a change in percent), it is not theirs.
    Quantities count together, too: who works out numbers works out the few amounts and percentages among them.
    """
    present: Counter[str] = Counter()
    own: Counter[str] = Counter()
    for one in facts:
        brought = {fact.kind for fact in one.unsupported}
        present.update(one.given | ({_ANY} if one.given & _QUANTITIES else set()))
        own.update(brought | ({_ANY} if brought & _QUANTITIES else set()))
    computed = {kind for kind, count in present.items() if count >= min_rows and own[kind] > _MOSTLY_OWN * count}
    return computed | _QUANTITIES if _ANY in computed else computed


_QUANTITIES = frozenset({"number", "money", "percent", "dose"})
_ANY = "any"
_MOSTLY_OWN = 0.6


def _usual_kinds(present: Counter[str], broken: Counter[str], min_rows: int, min_share: float) -> tuple[str, ...]:
    return tuple(kind for kind, count in present.items() if count >= min_rows and (count - broken[kind]) / count >= min_share)
