"""How a chat template writes calls of tools, found by rendering some: JSON, a name before JSON, Python's notation, or values in tags."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from templates.calls import ToolCall, decode_json
from templates.chat_options import options_of
from templates.conversation import EncodeError, Message, template_source
from templates.fitted_chat import fit_chat
from templates.python_calls import parse_python_calls
from templates.turns import Turn, read_turn, special_pattern

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Style = Literal["json", "named", "python", "tagged"]
Path = tuple[str, ...]

# Texts such as chat templates do nothing particular with, and an id of the length that some want.
_QUESTION: Message = {"role": "user", "content": "loopwright-question-end"}
_NAMES = ("loopwright_first", "loopwright_second")
_TEXT, _NUMBER = "loopwright_text", "loopwright_number"
_VALUES: dict[str, Any] = {_TEXT: "loopwright-value-end", _NUMBER: 70123}
PROBE_ID = "callprob1"
_OTHER_ID = "callprob2"
_SCHEMA = {
    "type": "object",
    "properties": {_TEXT: {"type": "string", "description": "A text."}, _NUMBER: {"type": "integer", "description": "A number."}},
}
_TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": name, "description": "A tool.", "parameters": _SCHEMA}} for name in _NAMES
]
# What a text is compared by: a tag is whole or not there.
_ATOM = re.compile(r"<[^<>\s]*>|\[[A-Z_/]+\]|\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Tags:
    """How a chat template writes one argument whose value is no part of a JSON object.

    Attributes:
        opening: before its name.
        middle: between name and value.
        closing: behind the value.
        as_json: values are JSON, texts in quotes; else a text is written as it is.
    """

    opening: str
    middle: str
    closing: str
    as_json: bool


@dataclass(frozen=True, slots=True)
class CallFormat:
    """How a chat template writes the calls of a turn.

    Attributes:
        style: `json` writes name and arguments in one JSON object, or several of them in a list; `named` a name, then the arguments as
            JSON; `python` calls as Python has them; `tagged` each argument in tags.
        outer: what stands before all calls and behind them.
        each: what stands before each call and behind it.
        separator: what stands between two calls beside that.
        name_path: of `json`, the keys that lead to the name.
        arguments_path: of `json`, those to the arguments.
        keys: of `json`, all keys beside the name.
        middle: of `named` and `tagged`, what stands between the name and the arguments.
        tags: of `tagged`.
    """

    style: Style
    outer: tuple[str, str] = ("", "")
    each: tuple[str, str] = ("", "")
    separator: str = ""
    name_path: Path = ()
    arguments_path: Path = ()
    keys: frozenset[str] = frozenset()
    middle: str = ""
    tags: Tags | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    """Where one call stands in a rendering, with what is told of its style by it."""

    start: int
    end: int
    told: Mapping[str, Any] = field(default_factory=dict)


def call_format(tokenizer: "PreTrainedTokenizerBase") -> CallFormat | None:
    """Returns how the tokenizer's chat template writes calls; None where it writes none, or in a way that is not known."""
    return _known(tokenizer)[0]


def call_end_ids(tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    """Returns the tokens that end a turn with calls, which in some models are not those that end an answer."""
    return _known(tokenizer)[1]


def _known(tokenizer: "PreTrainedTokenizerBase") -> tuple[CallFormat | None, frozenset[int]]:
    source = template_source(tokenizer, _TOOLS)
    return _find(tokenizer, source, options_of(tokenizer).model_dump_json()) if source else (None, frozenset())


@lru_cache(maxsize=256)
def _find(tokenizer: "PreTrainedTokenizerBase", _source: str, _options: str) -> tuple[CallFormat | None, frozenset[int]]:
    one = _turn(tokenizer, _NAMES[:1])
    if one is None:
        return None, frozenset()
    two = _turn(tokenizer, _NAMES)
    first = special_pattern(tokenizer).match(one.end)
    # A token that also stands between two calls would end the turn behind the first.
    ends = first is not None and (two is None or first.group() not in two.calls)
    end_ids = frozenset([tokenizer.convert_tokens_to_ids(first.group())]) if ends and first is not None else frozenset()
    # What differs between two calls by their ids alone is the same.
    return _format(one.calls, two.calls.replace(_OTHER_ID, PROBE_ID) if two is not None else None), end_ids


def _turn(tokenizer: "PreTrainedTokenizerBase", names: Sequence[str]) -> Turn | None:
    """Renders a turn that calls some functions; None where the chat template refuses it or leaves something of it out."""
    arguments = json.dumps(_VALUES)
    calls = [
        {"id": one, "type": "function", "function": {"name": name, "arguments": arguments}}
        for name, one in zip(names, (PROBE_ID, _OTHER_ID), strict=False)
    ]
    messages: list[Message] = [_QUESTION, {"role": "assistant", "content": None, "tool_calls": calls}]
    for tools in (_TOOLS, None):  # a chat template may write calls, and no tools
        try:
            return read_turn(fit_chat(tokenizer, messages, tools), 1)
        except EncodeError:
            continue
    return None


def _format(one: str, two: str | None) -> CallFormat | None:
    """Returns the format of a turn with one call, and of that with two where there is such a turn."""
    place = one.find(_NAMES[0])
    for style, look in _LOOKS.items():
        call = look(one, place, _NAMES[0]) if place >= 0 else None
        if call is not None:
            return _framed(style, one, two, call)
    return None


def _framed(style: Style, one: str, two: str | None, call: _Call) -> CallFormat:
    """Divides what stands around a call into what belongs to each call and what to all of them."""
    before, behind = _atoms(one[: call.start]), _atoms(one[call.end :])
    first, second = (_LOOKS[style](two or "", (two or "").find(name), name) for name in _NAMES)
    if two is None or first is None or second is None or second.start < first.end:  # one call alone, or all of them in one list
        return CallFormat(style, each=("".join(before), "".join(behind)), **call.told)
    between = _atoms(two[first.end : second.start])
    closing = _shared_start(between, behind)
    rest = between[len(closing) :]
    opening = _shared_start(rest[::-1], before[::-1])[::-1]
    separator = rest[: len(rest) - len(opening)]
    outer = "".join(before[: len(before) - len(opening)]), "".join(behind[len(closing) :])
    return CallFormat(style, outer, ("".join(opening), "".join(closing)), "".join(separator), **call.told)


def _look_for_json(text: str, place: int, name: str) -> _Call | None:
    """Looks for a JSON value that holds the name and the arguments."""
    for start in (at for at, character in enumerate(text[:place]) if character in "{["):
        try:
            value, end = decode_json(text, start)
        except ValueError:
            continue
        for one in value if isinstance(value, list) else [value]:
            if end > place and isinstance(one, dict) and (found := _paths(one, name)):
                name_path, arguments_path = found
                keys = frozenset({*one, *one.get(name_path[0], ())} if len(name_path) > 1 else one) - {name_path[-1]}
                return _Call(start, end, {"name_path": name_path, "arguments_path": arguments_path, "keys": keys})
    return None


def _paths(call: Mapping[str, Any], name: str) -> tuple[Path, Path] | None:
    """Returns the keys that lead to the name and to the arguments of a call, at most two each."""
    names: list[Path] = []
    arguments: list[Path] = []
    inner = [((key,), value) for key, value in call.items()]
    deeper = [
        ((key, below), one) for key, value in call.items() if isinstance(value, dict) and value != _VALUES for below, one in value.items()
    ]
    for path, value in (*inner, *deeper):
        if value == name:
            names.append(path)
        elif value == _VALUES or (isinstance(value, str) and value.startswith("{") and _TEXT in value):
            arguments.append(path)
    return (names[0], arguments[0]) if names and arguments else None


def _look_for_named(text: str, place: int, name: str) -> _Call | None:
    """Looks for arguments as JSON behind the name."""
    place = text.find(name, place)
    end_of_name = place + len(name)
    start = text.find("{", end_of_name)
    if place < 0 or start < 0 or _TEXT in text[end_of_name:start]:
        return None
    try:
        value, end = decode_json(text, start)
    except ValueError:
        return None
    return _Call(place, end, {"middle": text[end_of_name:start]}) if value == _VALUES else None


def _look_for_python(text: str, place: int, name: str) -> _Call | None:
    """Looks for calls as Python writes them, in brackets or without."""
    if not text.startswith("(", place + len(name)):
        return None
    bracket = len(text[:place].rstrip()) - 1
    starts = [bracket] if bracket >= 0 and text[bracket] == "[" else []
    for start, close in (*((one, "]") for one in starts), (place, ")")):
        for end in range(text.rfind(close) + 1, place, -1):
            if text[end - 1] != close:
                continue
            try:
                calls = parse_python_calls(text[start:end])
            except ValueError:
                continue
            if calls[0] == ToolCall.of(calls[0].name, _VALUES):
                return _Call(start, end)
    return None


def _look_for_tags(text: str, place: int, name: str) -> _Call | None:
    """Looks for each argument in tags of its own: a text and a number, in the same ones."""
    parts = re.compile(
        rf"{re.escape(name)}(?P<before>.*?){_TEXT}(?P<middle>.*?){_VALUES[_TEXT]}(?P<between>.*?){_NUMBER}(?P<other>.*?){_VALUES[_NUMBER]}",
        re.DOTALL,
    ).search(text, place)
    if parts is None:
        return None
    middle, between = parts["middle"], parts["between"]
    as_json = middle.endswith('"') and between.startswith('"')
    if as_json:
        middle, between = middle[:-1], between[1:]
    if middle != parts["other"]:
        return None
    following = text[parts.end() :]
    # Behind the last argument stands the next call, or what closes this one.
    next_name = min((at for one in _NAMES if (at := following.find(one)) >= 0), default=len(following))
    before, gap = _atoms(parts["before"]), _atoms(between)
    opening = _shared_start(gap[::-1], before[::-1])[::-1]
    closing = _shared_start(gap[: len(gap) - len(opening)], _atoms(following[:next_name]))
    tags = Tags("".join(opening), middle, "".join(closing), as_json)
    told = {"middle": "".join(before[: len(before) - len(opening)]), "tags": tags}
    return _Call(parts.start(), parts.end() + len(tags.closing), told) if tags.opening.strip() and tags.closing.strip() else None


_LOOKS: dict[Style, Callable[[str, int, str], _Call | None]] = {
    "json": _look_for_json,
    "named": _look_for_named,
    "python": _look_for_python,
    "tagged": _look_for_tags,
}


def _atoms(text: str) -> list[str]:
    return _ATOM.findall(text)


def _shared_start(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Returns what two lists begin with alike."""
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return list(one[:count])
