"""What is wrong with a file's values, in plain words: pydantic's own speak of its types, not of the file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_ALTERNATIVE = re.compile(r"'((?:[^'\\]|\\.)*)'|\b(\d+)\b")

# Kind of pydantic's error -> what to do. Braces take what pydantic says of the limit.
_WORDS = {
    "int_type": "Give a whole number",
    "int_parsing": "Give a whole number",
    "int_parsing_size": "Give a smaller number",
    "int_from_float": "Give a whole number",
    "float_type": "Give a number",
    "float_parsing": "Give a number",
    "finite_number": "Give a number that is not infinite",
    "bool_type": "Write true or false",
    "bool_parsing": "Write true or false",
    "none_required": "Leave it empty",
    "greater_than": "Give a number above {gt}",
    "greater_than_equal": "Give {ge} or more",
    "less_than": "Give a number below {lt}",
    "less_than_equal": "Give {le} or less",
    "multiple_of": "Give a multiple of {multiple_of}",
    "string_pattern_mismatch": "Write it so that it matches {pattern}",
    "dict_type": "Give keys and values, as in {{key: value}}",
    "mapping_type": "Give keys and values, as in {{key: value}}",
    "model_type": "Give keys and values, as in {{key: value}}",
    "model_attributes_type": "Give keys and values, as in {{key: value}}",
    "dataclass_type": "Give keys and values, as in {{key: value}}",
    "date_type": "Write a date, as in 2026-01-31",
    "date_parsing": "Write a date, as in 2026-01-31",
    "date_from_datetime_parsing": "Write a date, as in 2026-01-31",
    "date_from_datetime_inexact": "Write a date without a time, as in 2026-01-31",
    "path_type": "Give a path",
    "extra_forbidden": "There is no such key",
    "missing": "It is missing",
}
_LISTS = frozenset({"list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"})
_OWN_WORDS = frozenset({"value_error", "assertion_error"})  # of a check of ours, which speaks for itself
_TEXTS = frozenset({"string_type", "string_sub_type", "string_unicode"})
_CHOICES = frozenset({"literal_error", "enum"})
_LENGTHS = frozenset({"too_short", "string_too_short", "too_long", "string_too_long"})


class FaultKind(StrEnum):
    """What is the matter with a key."""

    UNKNOWN = "unknown"
    MISSING = "missing"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        kind: whether the key, or its value.
        path: the keys and numbers that lead to it.
        given: what stands there.
        words: what is to stand there, in one clause without a final stop.
    """

    kind: FaultKind
    path: tuple[str, ...]
    given: Any
    words: str

    @property
    def key(self) -> str:
        """The path as messages write it."""
        return ".".join(self.path) or "the document"


def faults_of(error: "ValidationError", data: object) -> list[Fault]:
    """Returns what is wrong, one fault a place.

    Args:
        error: pydantic's; where a value may be several things it has one error for each of them.
        data: what was validated.
    """
    by_path: dict[tuple[str, ...], list[ErrorDetails]] = {}
    for detail in error.errors():
        by_path.setdefault(_path_in(data, detail), []).append(detail)
    # pydantic counts a list's items without those that are wrong, and then calls the list too short as well.
    inner = {path[:length] for path in by_path for length in range(len(path))}
    return [_fault(path, details) for path, details in by_path.items() if path not in inner]


def _path_in(data: object, detail: "ErrorDetails") -> tuple[str, ...]:
    """Returns the keys that lead to an error, without the names that pydantic gives to the things that a value may be."""
    path: list[str] = []
    here: Any = data
    *_, last = detail["loc"] or (None,)
    for part in detail["loc"]:
        if (part in here) if isinstance(here, dict) else (isinstance(here, list | tuple) and isinstance(part, int) and part < len(here)):
            here = here[part]
        elif detail["type"] != "missing" or part != last or isinstance(part, int):
            continue
        path.append(str(part))
    return tuple(path)


def _fault(path: tuple[str, ...], details: Sequence["ErrorDetails"]) -> Fault:
    first = details[0]
    if first["type"] == "extra_forbidden":
        return Fault(FaultKind.UNKNOWN, path, first["input"], _words(first))
    if first["type"] == "missing" and not isinstance(first["loc"][-1], int):
        return Fault(FaultKind.MISSING, path, first["input"], _words(first))
    first_clause, *others = dict.fromkeys(map(_words, details))
    return Fault(FaultKind.WRONG, path, first["input"], ", or ".join([first_clause, *(f"{one[:1].lower()}{one[1:]}" for one in others)]))


def _words(detail: "ErrorDetails") -> str:
    """Returns what a wrong value is to be. pydantic's own message is never used, but for a check of ours that speaks."""
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    words = _WORDS.get(kind, "Give another value").format(**context)
    if kind in _OWN_WORDS:
        own = str(context.get("error") or words)
        words = own[:1].upper() + own[1:].removesuffix(".")
    elif kind in _CHOICES:
        words = _choice(given, str(context["expected"]))
    elif kind in _TEXTS:
        is_scalar = isinstance(given, int | float) and not isinstance(given, bool)
        words = f'Put it in quotes: "{given}"' if is_scalar else "Give a text"
    elif kind in _LISTS:
        words = f"Write it as a list: [{given}]" if isinstance(given, str | int | float) and len(str(given)) < 40 else "Give a list"
    elif kind in _LENGTHS:
        words = _length(kind, context)
    elif kind == "missing" and isinstance(detail["loc"][-1], int):
        words = "An entry is missing"
    return words


def _choice(given: Any, expected: str) -> str:
    """Says which words may stand there.

    Args:
        given: what stands there.
        expected: pydantic's list of them, such as `'hash' or 'time'`.
    """
    known = [word or number for word, number in _ALTERNATIVE.findall(expected)]
    close = get_close_matches(str(given), known, n=1)
    quoted = [f"'{word}'" for word in known]
    listed = " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]])) if quoted else expected
    return f"Did you mean '{close[0]}'? Write {listed}" if close else f"Write {listed}"


def _length(kind: str, context: dict[str, Any]) -> str:
    one, several = ("character", "characters") if kind.startswith("string") else ("entry", "entries")
    if kind.endswith("long"):
        limit = context["max_length"]
        return f"Give no more than {limit} {one if limit == 1 else several}"
    limit = context["min_length"]
    return "It must not be empty" if limit == 1 else f"Give {limit} or more {several}"
