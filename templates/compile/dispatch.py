"""Which function compiles which kind of expression."""

from collections.abc import Callable
from typing import cast

import polars as pl
from jinja2 import nodes

from templates.compile.state import CompileState, NotPlainError
from templates.compile.values import Kind, Value, choose

_Compiler = Callable[..., Value]
_COMPILERS: dict[type[nodes.Node], _Compiler] = {}


def compiles(*types: type[nodes.Node]) -> Callable[[_Compiler], _Compiler]:
    """Registers the function that compiles expressions of these types."""

    def register(compiler: _Compiler) -> _Compiler:
        _COMPILERS.update(dict.fromkeys(types, compiler))
        return compiler

    return register


def visit(state: CompileState, node: nodes.Node) -> Value:
    """Compiles an expression that has a text of its own.

    Raises:
        NotPlainError: it is left to Jinja.
    """
    value = visit_any(state, node)
    if value.kind == Kind.LIST:
        raise state.refuse(node, "a list as a value")
    return value


def visit_any(state: CompileState, node: nodes.Node) -> Value:
    """Compiles an expression, which may be a list.

    Raises:
        NotPlainError: it is left to Jinja.
    """
    compiler = _COMPILERS.get(type(node))
    if compiler is None:
        raise state.refuse(node, f"an expression ({type(node).__name__.lower()})")
    return compiler(state, node)


def each(state: CompileState, value: Value, operation: Callable[[Value], Value]) -> Value:
    """Applies an operation to a value, or to each type that it may have; rows of a type that the operation refuses are left to Jinja.

    Raises:
        NotPlainError: it refuses all of them.
    """
    if value.alternatives is None:
        return operation(value)
    num_masks = len(state.fallback_masks)
    try:
        return operation(value)
    except NotPlainError as error:
        refused = error
        del state.fallback_masks[num_masks:]
    condition, *both = value.alternatives
    results: list[Value | None] = []
    for holds, alternative in zip((condition, ~condition), both, strict=True):
        with state.under(holds):
            try:
                results.append(each(state, alternative, operation))
            except NotPlainError:
                state.fall_back(pl.lit(True))
                results.append(None)
    then, otherwise = results
    if then is None and otherwise is None:
        raise refused
    if then is None or otherwise is None:
        return cast("Value", then or otherwise)
    return choose(condition, then, otherwise, value.size.weight)
