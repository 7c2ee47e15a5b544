"""Which kinds of fact a task's answers keep: what its template says, else what its rows show."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prep.facts import Fact
from prep.lint.context import Context
from prep.lint.groups import Row

# Kinds that are checked for support wherever a task restates its input. Times and bare numbers follow from others too often.
RESTATED_KINDS = ("code", "money", "percent", "dose", "date")
_SAMPLE_ROWS = 2_000


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


def row_facts(row: Row, context: Context) -> RowFacts:
    """Compares the facts of an example's input and answer. A system message supports facts, but asks for none to be kept."""
    source, answer = context.facts(row["input"]), context.facts(row["answer"])
    system = context.facts(row["system"]) if row["system"] else None
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


def by_task(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Returns the rows of each task."""
    tasks: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        tasks[row["task"]].append(row)
    return tasks


def sampled(rows: Sequence[Row]) -> Sequence[Row]:
    """Returns up to 2,000 rows, evenly spread, from which a task's habits are read."""
    step = max(len(rows) // _SAMPLE_ROWS, 1)
    return rows[::step][:_SAMPLE_ROWS]


def kept_kinds(facts: Iterable[RowFacts], *, min_rows: int, min_share: float) -> tuple[str, ...]:
    """Returns the kinds of fact that a task's answers keep: enough inputs have the kind, and of their answers most keep all of it."""
    present: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    for one in facts:
        present.update(one.asked - {"number"})
        broken.update({fact.kind for fact in one.missing})
    return _habits(present, broken, min_rows, min_share)


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
    kinds = _habits(present, broken, min_rows, min_share)
    return tuple({*kinds, *RESTATED_KINDS} - {_ANY}) if _ANY in kinds else kinds


_ANY = "any"


def _habits(present: Counter[str], broken: Counter[str], min_rows: int, min_share: float) -> tuple[str, ...]:
    return tuple(kind for kind, count in present.items() if count >= min_rows and (count - broken[kind]) / count >= min_share)
