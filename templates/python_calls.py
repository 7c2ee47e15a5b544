"""Calls in Python's notation, `[clock(zone="CET"), clock(zone="UTC")]`: read, never run."""

import ast
import keyword
import re
from typing import Any

from templates.calls import ToolCall

_FREE = "loopwright_free_"
# A text, or the name of an argument that Python keeps for itself, such as `from`.
_KEPT_NAME = re.compile(rf"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\b(?P<name>{"|".join(keyword.kwlist)})(?=\s*=[^=])""", re.DOTALL)
_CONSTANTS = {"true": True, "false": False, "null": None}
"""What chat templates write that hand values to a JSON filter."""


def parse_python_calls(text: str) -> tuple[ToolCall, ...]:
    """Returns the calls that a text of nothing but calls holds: one, a list, or some with commas between.

    Raises:
        ValueError: it is no such text, a call has arguments without a name, or an argument is no plain value.
    """
    try:
        free = _KEPT_NAME.sub(lambda found: found["text"] or _FREE + found["name"], text.strip())
        tree = ast.parse(free, mode="eval").body
        made = tree.elts if isinstance(tree, ast.List | ast.Tuple) else [tree]
        return tuple(_call(node) for node in made)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"the calls are no Python: {str(error).splitlines()[0]}") from error


def _call(node: ast.expr) -> ToolCall:
    if not isinstance(node, ast.Call):
        raise ValueError("there is something else than a call")
    if node.args or any(one.arg is None for one in node.keywords):
        raise ValueError("an argument has no name")
    return ToolCall.of(ast.unparse(node.func), {str(one.arg).removeprefix(_FREE): _value(one.value) for one in node.keywords})


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_value(element) for element in elements]
        case ast.Dict(keys=keys, values=values) if all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in keys):
            return {key.value: _value(value) for key, value in zip(keys, values, strict=True)}  # type: ignore[union-attr]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if not isinstance(value, bool):
            return -value
    raise ValueError(f"'{ast.unparse(node)[:40]}' is no plain value")
