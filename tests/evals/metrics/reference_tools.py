"""What the metrics of calls are by another way: every pairing of the calls is tried, and values are compared piece by piece.

Written apart from evals, of which it imports nothing.
"""

import json
from itertools import permutations
from typing import Any

import jsonschema_rs

Call = dict[str, Any]
"""`name`, and `arguments` as a value."""


def scores(expected: list[Call], given: list[Call] | None, tools: list[dict[str, Any]]) -> dict[str, float | None]:
    """Returns the four metrics of one answer; `given` is None where a call could not be read."""
    schemas = {tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in tools}
    found: dict[str, float | None] = {"tool_call_match": float(given is not None and _match(expected, given, schemas, _is_same_call))}
    if not expected:
        return found | dict.fromkeys(("tool_name", "tool_arguments", "tool_schema_valid"), None)
    made = given or []
    found["tool_name"] = float(bool(made) and sorted(call["name"] for call in expected) == sorted(call["name"] for call in made))
    found["tool_arguments"] = float(bool(made) and _have_same_arguments(expected, made, schemas))
    found["tool_schema_valid"] = float(bool(made) and all(_is_valid(call, schemas) for call in made)) if _are_usable(schemas) else None
    return found


def is_same(one: Any, other: Any) -> bool:
    """Says whether two JSON values are equal: numbers by value, no boolean a number, objects whatever the order of their keys."""
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool) and one == other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and bool(one == other)


def _match(expected: list[Call], given: list[Call], schemas: dict[str, Any], same: Any) -> bool:
    if len(expected) != len(given):
        return False
    return any(all(same(one, other, schemas) for one, other in zip(expected, order, strict=True)) for order in permutations(given))


def _is_same_call(one: Call, other: Call, schemas: dict[str, Any]) -> bool:
    return one["name"] == other["name"] and _are_same_arguments(one, other, schemas)


def _are_same_arguments(one: Call, other: Call, schemas: dict[str, Any]) -> bool:
    return is_same(
        _with_defaults(one["arguments"], schemas.get(one["name"])), _with_defaults(other["arguments"], schemas.get(other["name"]))
    )


def _have_same_arguments(expected: list[Call], given: list[Call], schemas: dict[str, Any]) -> bool:
    """Tries every pairing that pairs as many calls of one function as there are, and wants the arguments of each pair equal."""
    if len(expected) != len(given):
        return False
    orders = list(permutations(given))
    named = [sum(one["name"] == other["name"] for one, other in zip(expected, order, strict=True)) for order in orders]
    best = [order for order, count in zip(orders, named, strict=True) if count == max(named)]
    return any(all(_are_same_arguments(one, other, schemas) for one, other in zip(expected, order, strict=True)) for order in best)


def _with_defaults(value: Any, schema: Any) -> Any:
    if isinstance(schema, dict) and isinstance(value, list):
        return [_with_defaults(one, schema.get("items")) for one in value]
    if not isinstance(schema, dict) or not isinstance(value, dict):
        return value
    copy = dict(value)
    for key, inner in (schema.get("properties") or {}).items():
        if key in copy:
            copy[key] = _with_defaults(copy[key], inner)
        elif isinstance(inner, dict) and "default" in inner and key not in schema.get("required", []):
            copy[key] = inner["default"]
    return copy


def _are_usable(schemas: dict[str, Any]) -> bool:
    try:
        for schema in schemas.values():
            jsonschema_rs.validator_for(json.loads(json.dumps(schema)))
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return bool(schemas)


def _is_valid(call: Call, schemas: dict[str, Any]) -> bool:
    return call["name"] in schemas and jsonschema_rs.validator_for(schemas[call["name"]]).is_valid(call["arguments"])
