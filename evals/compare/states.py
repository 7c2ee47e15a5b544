"""How often the answers of each system ended in which state, where they are calls of tools or JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum

from evals.data.json_answers import JsonState, is_json, read_json
from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.data.tool_answers import ToolState, judge_calls

States = dict[str, dict[str, int]]
"""System -> state -> number of examples, for the systems and states that occur."""


def tool_states(rows: Sequence[EvalRow], answers: Mapping[str, Mapping[str, Prediction]]) -> States:
    """Counts what became of the calls of each system, over the answers that had to make one or made one."""

    def state(row: EvalRow, prediction: Prediction) -> ToolState | None:
        verdict = judge_calls(row, prediction)
        return None if verdict is None else verdict.state

    return {label: _count(ToolState, [state(*pair) for pair in _pairs(rows, given)]) for label, given in answers.items() if _any(rows)}


def json_states(rows: Sequence[EvalRow], answers: Mapping[str, Mapping[str, Prediction]]) -> States:
    """Counts how the answers of each system are JSON, over the examples whose reference is."""
    asked = [row for row in rows if row.task is Task.GENERATION and not row.calls and is_json(row.reference)]
    return {
        label: _count(JsonState, [read_json(prediction.answer)[0] for _, prediction in _pairs(asked, given) if prediction.state.is_scored])
        for label, given in answers.items()
        if asked
    }


def warnings_of(states: States, unread: str = ToolState.PARSER_LOST.value) -> list[str]:
    """Returns what makes the numbers of calls doubtful: answers that hold some which nobody read."""
    return [
        f"{label}: {counts[unread]} of {sum(counts.values())} answers with calls hold one that could not be read, and count as wrong"
        for label, counts in states.items()
        if counts.get(unread)
    ]


def notes_of(states: States) -> list[str]:
    """Returns what is to be said of JSON answers: that some stand in a fence."""
    fenced = JsonState.FENCED.value
    return [
        f"{label}: {counts[fenced]} of {sum(counts.values())} JSON answers stand in a code fence, which is tolerated"
        for label, counts in states.items()
        if counts.get(fenced)
    ]


def _any(rows: Sequence[EvalRow]) -> bool:
    return any(row.calls is not None for row in rows)


def _pairs(rows: Sequence[EvalRow], given: Mapping[str, Prediction]) -> list[tuple[EvalRow, Prediction]]:
    return [(row, given[row.id]) for row in rows if row.id in given]


def _count(kind: type[StrEnum], found: Sequence[StrEnum | None]) -> dict[str, int]:
    counts = Counter(found)
    return {state.value: counts[state] for state in kind if counts[state]}
