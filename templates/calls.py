"""A call of a tool as a model makes it, and what is read of an answer that may hold calls."""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

# What only a call is written with, in the notation of some chat template.
_MARKS = re.compile(r"<[|｜]?/?(?:tool[_▁]?calls?|start_function_call|function=|python_tag)|\[TOOL_CALLS\]|\bto=functions\.", re.IGNORECASE)
_NAME_KEY = r"""['"](?:name|function|tool|tool_name)['"]\s*:\s*"""
_ARGUMENTS_KEY = re.compile(r"""['"](?:arguments|parameters|args)['"]\s*:""")


class CallLoss(StrEnum):
    """Why a call that an answer holds was not read."""

    PARSER_LOST = "parser_lost"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call.

    Attributes:
        name: the function's.
        arguments: a JSON object, as text.
    """

    name: str
    arguments: str

    @classmethod
    def of(cls, name: object, arguments: object) -> "ToolCall":
        """Makes a call of a name and its arguments, which may be JSON text; None stands for no arguments.

        Raises:
            ValueError: there is no name, or the arguments are no JSON object.
        """
        if not isinstance(name, str) or not name.strip():
            raise ValueError("the call names no function")
        given = parse_json(arguments) if isinstance(arguments, str) and arguments.strip() else arguments or {}
        if not isinstance(given, dict):
            raise ValueError(f"the arguments of '{name.strip()}' are no JSON object")
        return cls(name.strip(), json.dumps(given, ensure_ascii=False))

    @classmethod
    def of_message(cls, calls: Iterable[Any]) -> tuple["ToolCall", ...]:
        """Makes the calls of a message's `tool_calls`, as OpenAI's chat format has them.

        Raises:
            ValueError: one of them names no function, or its arguments are no JSON object.
        """
        return tuple(cls.of(call["function"].get("name"), call["function"].get("arguments")) for call in calls)

    @property
    def values(self) -> dict[str, Any]:
        """The arguments."""
        found: dict[str, Any] = json.loads(self.arguments)
        return found


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """What was read of an answer.

    Attributes:
        text: what it says beside its calls.
        calls: those that were read.
        loss: why others were not; None where nothing seems to be lost.
        detail: the same in words.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    loss: CallLoss | None = None
    detail: str | None = None

    @classmethod
    def without_calls(cls, text: str, names: Collection[str], why: str) -> "ReadAnswer":
        """Returns an answer of which no call was read; one that seems to hold a call has lost it.

        Args:
            text: the answer.
            names: the functions that it may call.
            why: a call would not have been read.
        """
        return cls(text, (), CallLoss.PARSER_LOST, why) if looks_like_a_call(text, names) else cls(text)


def parse_json(text: str) -> Any:
    """Returns what a JSON text says; `NaN` and `Infinity` are no JSON.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def decode_json(text: str, place: int) -> tuple[Any, int]:
    """Returns the JSON value that begins at a place of a text, and where it ends.

    Raises:
        ValueError: none begins there.
    """
    try:
        found, end = _DECODER.raw_decode(text, place)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    return found, end


def with_calls(text: str, calls: Sequence[ToolCall]) -> str:
    """Returns an answer in one notation for all models: what it says, and behind that its calls as a JSON list."""
    listed = json.dumps([{"name": call.name, "arguments": call.values} for call in calls], ensure_ascii=False)
    return f"{text}\n{listed}" if text.strip() else listed


def names_of(tools: Iterable[Any] | None) -> frozenset[str]:
    """Returns the names of the functions that are declared."""
    return frozenset(tool["function"]["name"] for tool in tools or ())


def looks_like_a_call(text: str, names: Collection[str]) -> bool:
    """Says whether a text seems to hold a call: a mark of calls, a name and arguments as keys, or a declared function that is called.

    Args:
        text: what was written.
        names: the declared functions.
    """
    if _MARKS.search(text):
        return True
    if _ARGUMENTS_KEY.search(text) and re.search(_NAME_KEY, text):
        return True
    any_name = "|".join(map(re.escape, sorted(names)))
    return bool(names) and re.search(rf"""{_NAME_KEY}['"](?:{any_name})['"]|(?<![\w.])(?:{any_name})\(""", text) is not None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
