"""Answers that are JSON: an object or a list, by itself or in a code fence."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from evals.data.tool_answers import canonical
from templates.calls import parse_json
from templates.json_schema import compiled_schema

_FENCE = re.compile(r"```[\w-]*[ \t]*\n(?P<inside>.*?)\n?[ \t]*```", re.DOTALL)
_EVERY = "[]"
"""The step of a path that leads to the elements of a list."""


class JsonState(StrEnum):
    """How an answer that is to be JSON ended."""

    PLAIN = "plain"  # an object or a list, and nothing else
    FENCED = "fenced"  # the same within a code fence, which is tolerated
    INVALID = "invalid"  # no JSON, JSON with words around it, or a bare text or number


def read_json(text: str) -> tuple[JsonState, Any]:
    """Returns how a text is JSON, and what it says; None where it is none."""
    stripped = text.strip()
    found = _FENCE.fullmatch(stripped)
    try:
        value = parse_json(found["inside"] if found else stripped)
    except ValueError:
        return JsonState.INVALID, None
    if not isinstance(value, dict | list):
        return JsonState.INVALID, None
    return JsonState.FENCED if found else JsonState.PLAIN, value


def is_json(text: str) -> bool:
    """Says whether a text is a JSON object or list."""
    return text.lstrip()[:1] in {"{", "[", "`"} and read_json(text)[0] is not JsonState.INVALID


def fits_schema(text: str, schema: Mapping[str, Any]) -> bool:
    """Says whether a text is JSON that a JSON Schema takes; one that cannot be used takes nothing."""
    state, value = read_json(text)
    validator = compiled_schema(json.dumps(schema, sort_keys=True))
    if state is JsonState.INVALID or isinstance(validator, str):
        return False
    try:
        return validator.is_valid(value)
    except ValueError:  # nested beyond what the validator takes, or half a surrogate pair
        return False


def fields_of(value: Any) -> Counter[tuple[str, str]]:
    """Returns the fields of a JSON value: each path to a value that holds no other, with that value, as often as it stands.

    The place in a list is no part of a path, so that lists are compared as multisets. An empty object or list is a field of its own.
    """
    found: Counter[tuple[str, str]] = Counter()
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, one = waiting.pop()
        if isinstance(one, dict) and one:
            # A key may hold any character: as JSON it cannot be taken for two keys.
            waiting += [(f"{path}.{canonical(key)}", inner) for key, inner in one.items()]
        elif isinstance(one, list) and one:
            waiting += [(path + _EVERY, inner) for inner in one]
        else:
            found[path, canonical(one)] += 1
    return found


def texts_of(value: Any) -> list[str]:
    """Returns the texts among the fields of a JSON value."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts_of(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts_of(one)]
    return [value] if isinstance(value, str) else []
