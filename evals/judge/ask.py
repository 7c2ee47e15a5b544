"""All examples put to the judge, each in both orders, several at a time; and some of them once more."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from evals.judge.constraint import Constraint, Reading
from evals.judge.contract import ItemState
from evals.judge.items import Item
from evals.judge.rubric import NUM_ORDERS, Question, Rubric
from evals.predict.server import Server, Unanswered
from loopwright.hashing import hash_text
from loopwright.progress import Advance

_Task = tuple[Item, int, int]
"""An example, the order of the letters, and how often it was put in this order before."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of one example in one order.

    Attributes:
        outcome: one of the two that can be asked for; None without a verdict.
        is_first: it is for what stands first, or under A.
        probability: of the first outcome, as the two letters share it; None where the server gives no probabilities.
        lost: why there is no verdict: unparsable or unanswered.
        detail: what was said instead, or what went wrong.
    """

    outcome: str | None = None
    is_first: bool | None = None
    probability: float | None = None
    lost: ItemState | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one example.

    Attributes:
        item: the example.
        verdicts: one for each order; empty where nobody was asked.
        repeated: the first order, asked again; None where it was not.
    """

    item: Item
    verdicts: tuple[Verdict, ...] = ()
    repeated: Verdict | None = None

    @property
    def state(self) -> ItemState:
        """How it ended."""
        if self.item.settled is not None:
            return self.item.settled
        for state in (ItemState.UNANSWERED, ItemState.UNPARSABLE):
            if any(verdict.lost is state for verdict in self.verdicts):
                return state
        return ItemState.CONSISTENT if len({verdict.outcome for verdict in self.verdicts}) == 1 else ItemState.INCONSISTENT

    def outcome(self, undecided: str) -> str:
        """Returns the verdict of an example that is judged: what was said in both orders, else the one given."""
        outcome = self.verdicts[0].outcome if self.state is ItemState.CONSISTENT else undecided
        assert outcome is not None, "a consistent example has a verdict in each order"
        return outcome

    def to_json(self) -> list[dict[str, Any]]:
        """Returns the lines of judgements.jsonl: one for each time that it was asked."""
        asked = [(order, 0, verdict) for order, verdict in enumerate(self.verdicts)]
        asked += [(0, 1, self.repeated)] if self.repeated is not None else []
        return [
            {
                "id": self.item.row.id,
                "order": "ba" if order else "ab",
                "repeat": repeat,
                "state": verdict.lost.value if verdict.lost is not None else "ok",
                "verdict": verdict.outcome,
                "probability": verdict.probability,
                "detail": verdict.detail,
            }
            for order, repeat, verdict in asked
        ]


def ask_all(
    server: Server,
    constraint: Constraint,
    rubric: Rubric,
    items: Sequence[Item],
    *,
    first: frozenset[str],
    num_repeats: int,
    concurrency: int,
    start: Callable[[str, int], Advance],
) -> list[Judged]:
    """Puts all examples to the judge.

    Args:
        server: where.
        constraint: how it is kept to two letters.
        rubric: what is asked.
        items: the examples.
        first: ids of those to ask first: should the budget end, what people labelled is worth most.
        num_repeats: how many examples are asked once more in the first order: those asked first, then others by the hash of their ids.
        concurrency: requests at a time.
        start: told how many requests there are; returns what is told of each.

    Raises:
        UserError: the rubric fails on an example.
    """
    asked = sorted((item for item in items if item.settled is None), key=lambda item: (item.row.id not in first, hash_text(item.row.id)))
    tasks: list[_Task] = [(item, order, 0) for item in asked for order in range(NUM_ORDERS)]
    tasks += [(item, 0, 1) for item in asked[:num_repeats]]
    # Before the first request: a rubric that fails costs nothing then, and the sandbox counts what one thread does.
    messages = {
        (item.row.id, order): rubric.render(Question.of(item.row), item.texts, order) for item, order, repeat in tasks if not repeat
    }
    advance = start("judge", len(tasks))

    def ask(task: _Task) -> Verdict:
        item, order, repeat = task
        try:
            return _verdict(constraint.ask(server, messages[item.row.id, order], repeat), rubric, order)
        except Unanswered as error:
            return Verdict(lost=ItemState.UNANSWERED, detail=str(error))

    found: dict[tuple[str, int, int], Verdict] = {}
    with ThreadPoolExecutor(concurrency) as pool:
        for (item, order, repeat), one in zip(tasks, pool.map(ask, tasks), strict=True):
            found[item.row.id, order, repeat] = one
            advance(1)
    return [_judged(item, found) for item in items]


def _verdict(reading: Reading, rubric: Rubric, order: int) -> Verdict:
    if reading.letter is None:
        return Verdict(lost=ItemState.UNPARSABLE, detail=reading.why)
    share = reading.share if reading.share is None or order == 0 else 1 - reading.share
    return Verdict(rubric.outcome(reading.letter, order), reading.letter == "A", share)


def _judged(item: Item, found: dict[tuple[str, int, int], Verdict]) -> Judged:
    if item.settled is not None:
        return Judged(item)
    id_ = item.row.id
    return Judged(item, tuple(found[id_, order, 0] for order in range(NUM_ORDERS)), found.get((id_, 0, 1)))
