"""Whether the calls of tools in an answer are the expected ones: as functions with arguments, whatever their order."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow
from templates.calls import CallLoss, ToolCall, looks_like_a_call, names_of


class ToolState(StrEnum):
    """What became of the calls of an answer."""

    RIGHT = "right"  # the expected calls and no other
    WRONG = "wrong"  # other calls, fewer or more, none where one is expected, or one where none is
    MALFORMED = "malformed"  # a call is there, but its JSON is broken or it names no function
    PARSER_LOST = "parser_lost"  # what looks like a call was not read: it is in another notation, or the notation is not known


@dataclass(frozen=True, slots=True)
class ToolVerdict:
    """What is thought of the calls of an answer.

    Attributes:
        state: right, or in which way not.
        detail: what is wrong, in words; empty where nothing is.
    """

    state: ToolState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ComparableCall:
    """A call as it is compared: the order of keys, 1 and 1.0, and defaults that are left out make no difference.

    Attributes:
        name: the function's.
        arguments: the arguments in one notation, the defaults of the function's JSON Schema filled in.
    """

    name: str
    arguments: str

    @classmethod
    def of(cls, calls: Sequence[ToolCall], tools: Sequence[Mapping[str, Any]] | None) -> "list[ComparableCall]":
        """Makes some comparable.

        Args:
            calls: the calls.
            tools: the declared functions, for their defaults.
        """
        schemas = {tool["function"]["name"]: tool["function"].get("parameters") for tool in tools or ()}
        return [cls(call.name, canonical(_filled(call.values, schemas.get(call.name)))) for call in calls]


def judge_calls(row: EvalRow, prediction: Prediction) -> ToolVerdict | None:
    """Returns what is thought of the calls of an answer; None where none is expected and none made, and where nothing was answered.

    Calls of one turn are made at the same time: their order makes no difference, as in the AST match of the Berkeley Function-Calling
    Leaderboard (Patil et al., 2025). What an answer says beside its calls is not compared.
    """
    wanted = row.calls
    if wanted is None or not prediction.state.is_scored:
        return None
    if prediction.call_loss is CallLoss.MALFORMED:
        return ToolVerdict(ToolState.MALFORMED, prediction.detail or "a call that cannot be read")
    given, expected = ComparableCall.of(prediction.calls, row.tools), ComparableCall.of(wanted, row.tools)
    if given and Counter(given) == Counter(expected):
        return ToolVerdict(ToolState.RIGHT)
    # A system that knows nothing of calls writes them as text.
    is_text = not prediction.calls and looks_like_a_call(prediction.text or "", names_of(row.tools) | {call.name for call in wanted})
    if prediction.call_loss is CallLoss.PARSER_LOST or is_text:
        return ToolVerdict(ToolState.PARSER_LOST, prediction.detail or "what looks like a call was not read")
    if not given and not expected:
        return None
    return ToolVerdict(ToolState.WRONG, _difference(expected, given))


def are_names_equal(expected: Sequence[ComparableCall], given: Sequence[ComparableCall]) -> bool:
    """Says whether the same functions are called, each as often."""
    return Counter(call.name for call in expected) == Counter(call.name for call in given)


def are_arguments_equal(expected: Sequence[ComparableCall], given: Sequence[ComparableCall]) -> bool:
    """Says whether calls can be paired so that the arguments of each pair are equal, calls of one function with each other first."""
    spare: list[Counter[str]] = [Counter(), Counter()]
    for name in {call.name for call in (*expected, *given)}:
        wanted, made = (Counter(call.arguments for call in calls if call.name == name) for calls in (expected, given))
        if (wanted & made).total() < min(wanted.total(), made.total()):
            return False
        spare[0] += wanted - made
        spare[1] += made - wanted
    return spare[0] == spare[1]


def canonical(value: Any) -> str:
    """Returns a JSON value in one notation, equal for equal values: keys in order, whole numbers without a point."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _filled(value: Any, schema: Any) -> Any:
    """Returns a value with the defaults of what its JSON Schema does not require and it does not say."""
    if not isinstance(schema, dict):
        return value
    if isinstance(value, list):
        return [_filled(one, schema.get("items")) for one in value]
    properties = schema.get("properties")
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return value
    required = schema.get("required") or ()
    defaults = {
        key: one["default"] for key, one in properties.items() if isinstance(one, dict) and "default" in one and key not in required
    }
    return defaults | {key: _filled(one, properties.get(key)) for key, one in value.items()}


def _difference(expected: Sequence[ComparableCall], given: Sequence[ComparableCall]) -> str:
    """Says in what calls differ, by the first difference."""
    if not given:
        return f"no call, where {_called(expected)} is expected"
    if not expected:
        return f"a call of {_called(given)}, where none is expected"
    missing, more = Counter(call.name for call in expected), Counter(call.name for call in given)
    missing, more = missing - more, more - missing
    if missing and more:
        return f"a call of {', '.join(more.elements())} in the place of {', '.join(missing.elements())}"
    if missing:
        return f"the call of {', '.join(missing.elements())} is missing"
    if more:
        return f"a call of {', '.join(more.elements())} is too many"
    wanted, made = Counter(expected) - Counter(given), Counter(given) - Counter(expected)
    one = next(iter(wanted))
    other = next(call for call in made if call.name == one.name)
    return f"{one.name}: {_argument_difference(json.loads(one.arguments), json.loads(other.arguments))}"


def _argument_difference(expected: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    said = [f"'{key}' is missing" for key in expected if key not in given]
    said += [f"'{key}' is too many" for key in given if key not in expected]
    for key in expected:
        if key in given and canonical(expected[key]) != canonical(given[key]):
            wanted, made = _kind(expected[key]), _kind(given[key])
            said.append(f"'{key}' is {made}, and not {wanted}" if made != wanted else f"'{key}' has another value")
    return "; ".join(said)


def _called(calls: Sequence[ComparableCall]) -> str:
    return ", ".join(dict.fromkeys(call.name for call in calls))


def _kind(value: Any) -> str:
    """Returns what JSON calls a value, with its article."""
    if value is None:
        return "null"
    kinds = {bool: "a boolean", str: "a string", list: "an array", dict: "an object"}
    return kinds.get(type(value), "a number")
