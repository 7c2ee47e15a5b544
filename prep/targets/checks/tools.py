"""Rules for tools and calls: names, schemas, arguments that fit them."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from prep.sources.json_paths import shown
from prep.sources.strict_json import refuse_constant
from prep.targets.checks.rules import Findings, kind_of
from templates.json_schema import SHOWN_CHARACTERS, compiled_schema

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME_RULE = "1 to 64 letters, digits, underscores and hyphens"


@dataclass(slots=True)
class Toolbox:
    """What a row declares and what it has called so far.

    Attributes:
        is_strict: a call that is not of a declared function, or does not fit its parameters, is an error; otherwise a warning: training
            libraries print it as it is.
        declared: the row declares tools at all.
        schemas: function name -> its parameters as JSON text; None where they are absent or unusable.
        call_ids: ids of the calls made so far.
    """

    is_strict: bool = True
    declared: bool = False
    schemas: dict[str, str | None] = field(default_factory=dict)
    call_ids: set[str] = field(default_factory=set)


def check_tools(tools: object, path: str, found: Findings, *, wrapped: bool = True, is_strict: bool = True) -> Toolbox:
    """Checks a list of tools and returns what they declare.

    Args:
        tools: the value; None for none.
        path: where it stands.
        found: collects what is wrong.
        wrapped: each is `{"type": "function", "function": {...}}`; otherwise the function itself.
        is_strict: of the toolbox.
    """
    box = Toolbox(is_strict)
    if tools is None:
        return box
    if not isinstance(tools, list):
        found.error(path, "tools.type", f"tools are a list, not {kind_of(tools)}")
        return box
    box.declared = bool(tools)
    for index, tool in enumerate(tools):
        where = f"{path}[{index}]"
        function = tool
        if wrapped:
            function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        if not isinstance(function, dict):
            found.error(where, "tools.type", 'a tool is {"type": "function", "function": {...}}' if wrapped else "a function is an object")
            continue
        _declare(function, f"{where}.function" if wrapped else where, box, found)
    return box


def _declare(function: dict[str, Any], path: str, box: Toolbox, found: Findings) -> None:
    name = function.get("name")
    if not is_name(name):
        found.error(f"{path}.name", "tools.name", f"a function's name is {_NAME_RULE}")
        return
    if name in box.schemas:
        found.error(f"{path}.name", "tools.repeated", f"the function '{name}' is declared twice")
    box.schemas[name] = None
    parameters = function.get("parameters")
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        found.error(f"{path}.parameters", "tools.parameters", f"parameters are a JSON Schema object, not {kind_of(parameters)}")
        return
    text = json.dumps(parameters, sort_keys=True)
    compiled = compiled_schema(text)
    if isinstance(compiled, str):
        found.error(f"{path}.parameters", "tools.parameters", f"not a JSON Schema that stands by itself: {compiled}")
    else:
        box.schemas[name] = text


def check_calls(calls: object, path: str, box: Toolbox, found: Findings, *, with_ids: bool = True, as_objects: bool = False) -> None:
    """Checks an assistant message's `tool_calls`.

    Args:
        calls: the value.
        path: where it stands.
        box: the row's tools; the ids of the calls are added to it.
        found: collects what is wrong.
        with_ids: each call needs an id.
        as_objects: arguments may be an object as well as a JSON string.
    """
    if not isinstance(calls, list) or not calls:
        found.error(path, "tool_calls.type", "tool calls are a list that is not empty")
        return
    for index, call in enumerate(calls):
        where = f"{path}[{index}]"
        if not isinstance(call, dict) or call.get("type") != "function" or not isinstance(call.get("function"), dict):
            found.error(where, "tool_calls.type", 'a call is {"id": ..., "type": "function", "function": {...}}')
            continue
        _check_id(call, where, box, found, with_ids)
        check_call(call["function"], f"{where}.function", box, found, as_objects=as_objects)


def _check_id(call: dict[str, Any], path: str, box: Toolbox, found: Findings, required: bool) -> None:
    call_id = call.get("id")
    if call_id is None and not required:
        return
    if not isinstance(call_id, str) or not call_id:
        found.error(f"{path}.id", "tool_calls.id", "a call has an id, a text that is not empty")
    elif call_id in box.call_ids:
        found.error(f"{path}.id", "tool_calls.id_repeated", f"the id {shown(call_id)} was given to an earlier call")
    else:
        box.call_ids.add(call_id)


def check_call(function: dict[str, Any], path: str, box: Toolbox, found: Findings, *, as_objects: bool = False) -> None:
    """Checks one call's function: its name, whether it is declared, and its arguments."""
    misfit = found.error if box.is_strict else found.warning
    name = function.get("name")
    if not is_name(name):
        found.error(f"{path}.name", "tool_calls.name", f"a function's name is {_NAME_RULE}")
    elif box.declared and name not in box.schemas:
        misfit(f"{path}.name", "tool_calls.undeclared", f"the function '{name}' is not among the row's tools")
    arguments = function.get("arguments")
    where = f"{path}.arguments"
    if as_objects and isinstance(arguments, dict):
        parsed: object = arguments
    elif not isinstance(arguments, str):
        found.error(where, "tool_calls.arguments_type", f"arguments are a JSON string, not {kind_of(arguments)}")
        return
    else:
        try:
            parsed = json.loads(arguments, parse_constant=refuse_constant)
        except (ValueError, RecursionError) as error:
            found.error(where, "tool_calls.arguments_json", f"the arguments are not valid JSON: {error}")
            return
        if not isinstance(parsed, dict):
            found.error(where, "tool_calls.arguments_json", f"the arguments are an object, not {kind_of(parsed)}")
            return
    schema = box.schemas.get(name) if isinstance(name, str) else None
    if schema is not None:
        for message in _misfits(schema, parsed):
            misfit(where, "tool_calls.arguments_schema", message)


def is_name(name: object) -> TypeGuard[str]:
    """Says whether a value can be a function's name."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def _misfits(schema: str, arguments: object) -> Iterable[str]:
    validator = compiled_schema(schema)
    assert not isinstance(validator, str)
    try:
        errors = list(validator.iter_errors(arguments))
    except ValueError as error:  # nested beyond what the validator takes, or half a surrogate pair
        return [f"the arguments cannot be checked: {str(error).splitlines()[0]}"]
    return [f"{'.'.join(map(str, error.instance_path)) or 'arguments'}: {error.message}"[:SHOWN_CHARACTERS] for error in errors]
