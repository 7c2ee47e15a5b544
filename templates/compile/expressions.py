"""Jinja's expressions as column values: names, constants, filters, methods and sums."""

import operator
from collections.abc import Callable

import polars as pl
from jinja2 import nodes

from templates import limits
from templates.compile import (
    comparisons,  # noqa: F401 (registers what it compiles)
    filters,
    items,
)
from templates.compile.dispatch import compiles, each, visit, visit_any
from templates.compile.state import CompileState
from templates.compile.values import (
    MAX_MAGNITUDE,
    Kind,
    Size,
    Value,
    choose,
    constant,
    int_value,
    list_value,
    number_as,
    text_value,
    together,
)
from templates.sandbox import COMPARED, PLAIN, SLICED


@compiles(nodes.Const)
def _const(state: CompileState, node: nodes.Const) -> Value:
    if isinstance(node.value, list | tuple):  # Jinja makes a list of constants one constant
        return list_value([_const(state, nodes.Const(item, lineno=node.lineno)) for item in node.value])
    value = constant(node.value)
    if value is None:
        raise state.refuse(node, f"the constant {str(node.value)[:20]}")
    return state.charge(node, value)


@compiles(nodes.Name)
def _name(state: CompileState, node: nodes.Name) -> Value:
    if node.name in state.variables:
        return state.variables[node.name]
    kind = state.template.header.inputs.get(node.name)
    raise state.refuse(node, f"'{node.name}', which is of type {kind}" if kind else f"the variable '{node.name}'")


@compiles(nodes.Filter)
def _filter(state: CompileState, node: nodes.Filter) -> Value:
    assert node.node is not None, "a filter block's filter is given its text"
    if node.name == COMPARED:
        return visit(state, node.node)
    if node.name == SLICED:
        return items.cut_text(state, node.node) if isinstance(node.node, nodes.Getitem) else visit(state, node.node)
    if node.name == PLAIN:
        value = visit(state, node.node)
        return state.charge(node, text_value(value.text, value.size), [value])
    if (value := visit_any(state, node.node)).kind == Kind.LIST:
        return items.filter_list(state, node, value)
    if node.name in {"default", "d"}:
        return each(state, value, lambda one: _default(state, node, one))
    return each(state, value, lambda one: filters.apply(state, node, one))


def _default(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    """`default`: a value that is defined stays, unless one that counts as false is to be replaced, too."""
    given = dict(zip(("default_value", "boolean"), node.args, strict=False)) | {pair.key: pair.value for pair in node.kwargs}
    boolean = given.get("boolean", nodes.Const(False))
    is_plain = (
        len(given) == len(node.args) + len(node.kwargs) and set(given) <= {"default_value", "boolean"} and isinstance(boolean, nodes.Const)
    )
    if not is_plain or node.dyn_args or node.dyn_kwargs or value.kind in {Kind.MIXED, Kind.UNDEFINED}:
        raise state.refuse(node, "a 'default' of what may be undefined, or whose arguments are no plain ones")
    assert isinstance(boolean, nodes.Const)
    # Evaluated even where it is not needed, and refused by the sandbox where it is a large number.
    instead = visit(state, given.get("default_value", nodes.Const("")))
    if instead.kind not in {Kind.TEXT, Kind.BOOL, Kind.NONE} and not (instead.is_constant and instead.magnitude <= limits.MAX_WIDTH):
        raise state.refuse(node, "a number for a default")
    return state.charge(node, choose(value.truth, value, instead, value.size.weight) if boolean.value else value, [value, instead])


@compiles(nodes.Call)
def _call(state: CompileState, node: nodes.Call) -> Value:
    method = node.node
    if not isinstance(method, nodes.Getattr):
        raise state.refuse(node, "a call")
    return each(state, visit(state, method.node), lambda value: filters.call(state, node, method.attr, value))


@compiles(nodes.Add)
def _add(state: CompileState, node: nodes.Add) -> Value:
    left, right = visit(state, node.left), visit(state, node.right)
    return each(state, left, lambda one: each(state, right, lambda other: _sum(state, node, one, other, operator.add)))


@compiles(nodes.Sub)
def _subtract(state: CompileState, node: nodes.Sub) -> Value:
    left, right = visit(state, node.left), visit(state, node.right)
    return each(state, left, lambda one: each(state, right, lambda other: _sum(state, node, one, other, operator.sub)))


def _sum(state: CompileState, node: nodes.BinExpr, left: Value, right: Value, operation: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Value:
    if left.kind == right.kind == Kind.TEXT and isinstance(node, nodes.Add):
        return state.charge(node, text_value(left.text + right.text, together([left.size, right.size])), [left, right])
    magnitude = left.magnitude + right.magnitude
    if left.kind != Kind.INT or right.kind != Kind.INT or magnitude > MAX_MAGNITUDE:
        raise state.refuse(node, f"a sum of {left.kind} and {right.kind}")
    numbers = [number_as(value, is_float=False) for value in (left, right)]
    joined = together([left.size, right.size])
    size = Size(0, len(str(MAX_MAGNITUDE)) + 1, joined.weight, joined.depth)
    return state.charge(node, int_value(operation(*numbers), size, magnitude), [left, right])


@compiles(nodes.Neg)
def _negative(state: CompileState, node: nodes.Neg) -> Value:
    value = visit(state, node.node)
    if not value.is_constant or value.kind not in {Kind.INT, Kind.FLOAT}:
        raise state.refuse(node, "the negative of what is no constant")
    assert isinstance(value.constant, int | float)
    negative = constant(-value.constant)
    assert negative is not None
    return state.charge(node, negative)
