"""Calls of tools out of an answer, by the way in which a chat template writes them."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from templates.call_format import PROBE_ID, CallFormat, Path, Tags
from templates.calls import CallLoss, ReadAnswer, ToolCall, decode_json, looks_like_a_call, names_of, parse_json
from templates.python_calls import parse_python_calls

_NAME = re.compile(r"\s*([\w.:-]+)")
_NOTHING = re.compile("")
_LOST = "what looks like a call is not in the chat template's notation"
_PLAIN = {"true": True, "false": False, "null": None, "none": None}


def read_calls(written: CallFormat | None, text: str, tools: Sequence[Mapping[str, Any]] | None) -> ReadAnswer:
    """Reads the calls of an answer.

    What stands in the notation's own marks and cannot be read is malformed; what looks like a call elsewhere is lost to the parser, as it
    is to a server that reads this notation.

    Args:
        written: how the chat template writes calls; None where nothing tells.
        text: the answer, special tokens as text.
        tools: the functions that may be called, for the types of arguments that are written without them.
    """
    names = names_of(tools)
    if written is None:
        return ReadAnswer.without_calls(text, names, "how the chat template writes calls is not known")
    reader = _Reader(written, {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in tools or ()})
    return reader.marked(text, names) if reader.mark is not None else reader.bare(text, names)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the calls of one chat template.

    Attributes:
        written: how it writes them.
        schemas: function -> JSON Schema of its arguments.
    """

    written: CallFormat
    schemas: Mapping[str, Mapping[str, Any]]

    @property
    def mark(self) -> re.Pattern[str] | None:
        """What a call begins with; None where nothing does but the call itself."""
        return _pattern(self.written.each[0]) or _pattern(self.written.outer[0])

    def marked(self, text: str, names: Collection[str]) -> ReadAnswer:
        """Reads an answer whose calls stand in marks; what stands around them is said."""
        mark, closing, separator = self.mark, _pattern(self.written.each[1]), _pattern(self.written.separator)
        assert mark is not None
        said: list[str] = []
        calls: list[ToolCall] = []
        place = 0
        while found := mark.search(text, place):
            said.append(text[place : found.start()])
            begin, place, is_open = found.start(), found.end(), True
            while is_open:
                try:
                    more, place = self._calls_at(text, place, closing)
                except ValueError as error:
                    return self._malformed(text, [*said, text[begin:]], calls, str(error))
                calls += more
                behind = _skip(text, place)
                if closing is not None and (closed := closing.match(text, behind)):
                    place, is_open = closed.end(), False
                elif separator is not None and (next_one := separator.match(text, behind)):
                    place = next_one.end()
                else:
                    is_open = False
                    ends = behind == len(text) or mark.match(text, behind) or self._closes_all(text, behind)
                    if closing is not None and not ends:
                        why = "something else stands behind a call, within its marks"
                        return self._malformed(text, [*said, text[begin:]], calls, why)
        beside = self._beside([*said, text[place:]])
        if not calls:
            return ReadAnswer.without_calls(beside, names, _LOST)
        lost = looks_like_a_call(beside, names)
        return ReadAnswer(beside, tuple(calls), CallLoss.PARSER_LOST if lost else None, _LOST if lost else None)

    def bare(self, text: str, names: Collection[str]) -> ReadAnswer:
        """Reads an answer whose calls have no marks: it is calls as a whole, or holds none."""
        calls: list[ToolCall] = []
        separator = _pattern(self.written.separator)
        place = _skip(text, 0)
        try:
            while place < len(text):
                more, place = self._calls_at(text, place, None)
                calls += more
                place = _skip(text, place)
                if separator is not None and (found := separator.match(text, place)):
                    place = _skip(text, found.end())
        except ValueError as error:
            begins = text.lstrip()[:1] in {"{", "["} and not calls
            if begins and looks_like_a_call(text, names):
                return ReadAnswer(text, (), CallLoss.MALFORMED, str(error))
            return ReadAnswer.without_calls(text, names, _LOST)
        return ReadAnswer("", tuple(calls)) if calls else ReadAnswer(text)

    def _calls_at(self, text: str, place: int, closing: re.Pattern[str] | None) -> tuple[tuple[ToolCall, ...], int]:
        """Returns the calls that begin at a place of a text, and where they end.

        Raises:
            ValueError: there is none, or none that can be read.
        """
        style = self.written.style
        if style == "json":
            value, end = decode_json(text, _skip(text, place))
            calls = value if isinstance(value, list) else [value]
            if not calls:
                raise ValueError("the list of calls is empty")
            return tuple(self._call_of(one) for one in calls), end
        if style == "python":
            end = found.start() if closing is not None and (found := closing.search(text, place)) else len(text)
            return parse_python_calls(text[place:end]), end
        named = _NAME.match(text, place)
        middle = _pattern(self.written.middle) or _NOTHING
        if named is None:
            raise ValueError("the call names no function")
        # Characters of names may open what stands behind one, such as the number of the call.
        start = middle.match(text, _skip(text, named.end())) or middle.search(text, named.start(1))
        name = text[place : start.start()].strip() if start is not None else ""
        if start is None or not _NAME.fullmatch(name):
            raise ValueError("a name is not followed by arguments")
        if style == "named":
            arguments, end = decode_json(text, _skip(text, start.end()))
            return (ToolCall.of(name, arguments),), end
        values, end = self._tagged(text, start.end(), self.schemas.get(name, {}))
        return (ToolCall.of(name, values),), end

    def _call_of(self, value: Any) -> ToolCall:
        if not isinstance(value, dict):
            raise ValueError("a call is no JSON object")
        name, arguments = _at(value, self.written.name_path), _at(value, self.written.arguments_path)
        strange = {*value} - {self.written.name_path[0], *self.written.keys}
        if arguments is None and (strange or name not in self.schemas):
            raise ValueError(f"the call has no '{'.'.join(self.written.arguments_path)}'")
        return ToolCall.of(name, arguments)

    def _tagged(self, text: str, place: int, schema: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """Reads arguments in tags, as long as one follows another."""
        tags = self.written.tags
        assert tags is not None
        # Some corpora leave out the object around the properties.
        properties = schema.get("properties") or schema
        values: dict[str, Any] = {}
        while found := _one_argument(tags, text, place):
            name, value = found["name"].strip(), found["value"]
            values[name] = parse_json(value) if tags.as_json else _typed(value, _types(properties.get(name)))
            place = found.end()
        opening = _pattern(tags.opening)
        if opening is not None and opening.match(text, _skip(text, place)):
            raise ValueError("an argument is not closed")
        return values, place

    def _malformed(self, text: str, beside: Sequence[str], calls: Sequence[ToolCall], why: str) -> ReadAnswer:
        """Returns an answer with a call that cannot be read, which stays as it was written."""
        return ReadAnswer(self._beside(beside) if calls else text, tuple(calls), CallLoss.MALFORMED, why)

    def _closes_all(self, text: str, place: int) -> bool:
        outer = _pattern(self.written.outer[1])
        return outer is not None and outer.match(text, place) is not None

    def _beside(self, parts: Sequence[str]) -> str:
        """Returns what is said beside the calls, without the marks of all calls."""
        text = "".join(parts)
        for one in self.written.outer:
            if (pattern := _pattern(one)) is not None:
                text = pattern.sub("", text, count=1)
        return text.strip()


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _skip(text: str, place: int) -> int:
    """Returns where the white space at a place ends."""
    while place < len(text) and text[place].isspace():
        place += 1
    return place


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str] | None:
    """Returns what matches a text of the chat template's, with any white space where it has some; None where it has nothing else."""
    if not text.strip():
        return None
    parts = (r"[\w-]*".join(map(re.escape, part.split(PROBE_ID))) for part in text.split())
    return re.compile(r"\s*".join(parts))


@lru_cache(maxsize=512)
def _argument(tags: Tags, *, exact: bool = True) -> re.Pattern[str]:
    """Returns what matches one argument: with the white space of the chat template, so that a value keeps its own, or with any."""
    opening, middle, closing = (
        re.escape(part) if exact else r"\s*" + r"\s*".join(map(re.escape, part.split())) + r"\s*"
        for part in (tags.opening.lstrip(), tags.middle, tags.closing)
    )
    return re.compile(rf"\s*{opening}(?P<name>[^<>\s]+?){middle}(?P<value>.*?){closing}", re.DOTALL)


def _one_argument(tags: Tags, text: str, place: int) -> re.Match[str] | None:
    """Matches one argument: with its own white space where the tags stand as the chat template has them."""
    found, exact = (_argument(tags, exact=one).match(text, place) for one in (False, True))
    # Where one tag is not as it should be, the exact one would run on into another argument's.
    return exact if exact and found and exact["value"].strip() == found["value"].strip() else found


def _types(schema: Any) -> set[str]:
    """Returns the types that a JSON Schema lets a value have, as far as it says them plainly."""
    if not isinstance(schema, dict):
        return set()
    said = schema.get("type")
    found = {said} if isinstance(said, str) else {one for one in said if isinstance(one, str)} if isinstance(said, list) else set()
    return found.union(*(_types(one) for union in ("anyOf", "oneOf") for one in schema.get(union) or ()))


def _typed(value: str, types: set[str]) -> Any:
    """Returns a value that is written without quotes: a text where the schema says so, else what it is as JSON, else a text."""
    if any(one.startswith("str") for one in types):  # many corpora say `str`, which is no type of JSON Schema, and mean a text
        return value
    if value.strip().lower() in _PLAIN and (not types or types & {"boolean", "null"}):
        return _PLAIN[value.strip().lower()]
    try:
        return parse_json(value)
    except ValueError:
        return value
