"""Comparisons, tests and conditions as column values."""

import operator
from collections.abc import Callable
from functools import reduce

import polars as pl
from jinja2 import nodes

from templates.compile.dispatch import compiles, each, visit, visit_any
from templates.compile.state import CompileState
from templates.compile.values import NUMBERS, Kind, Value, bool_value, choose, number_as, together
from templates.sandbox import COMPARED

_ORDER: dict[str, Callable[..., pl.Expr]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}
# What a test by type says of a value of each kind; `undefined` is met by an inline if without else alone.
_SAMPLES: dict[Kind, object] = {Kind.TEXT: "x", Kind.INT: 1, Kind.FLOAT: 1.5, Kind.BOOL: True, Kind.NONE: None}
_TYPE_TESTS = frozenset(
    {"defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence", "iterable"}
)
_COMPARING_TESTS = {"eq": "eq", "equalto": "eq", "==": "eq", "ne": "ne", "!=": "ne", "lt": "lt", "lessthan": "lt", "<": "lt"}
_COMPARING_TESTS |= {"le": "lteq", "<=": "lteq", "gt": "gt", "greaterthan": "gt", ">": "gt", "ge": "gteq", ">=": "gteq", "in": "in"}


@compiles(nodes.Test)
def _test(state: CompileState, node: nodes.Test) -> Value:
    value = visit(state, node.node)
    if node.name in _COMPARING_TESTS and len(node.args) == 1:
        return _compare_pair(state, node, value, _COMPARING_TESTS[node.name], node.args[0])
    return each(state, value, lambda one: _test_alone(state, node, one))


def _test_alone(state: CompileState, node: nodes.Test, value: Value) -> Value:
    if node.kwargs or node.dyn_args or node.dyn_kwargs or node.args or value.kind == Kind.MIXED:
        raise state.refuse(node, f"the test '{node.name}'")
    if node.name in _TYPE_TESTS and value.kind in _SAMPLES:
        says: Callable[[object], object] = state.template.environment.tests[node.name]  # type: ignore[assignment]
        return bool_value(bool(says(_SAMPLES[value.kind])), value.size)
    if node.name in {"defined", "undefined"}:
        return bool_value(node.name == "undefined", value.size)
    if node.name in {"odd", "even"} and value.kind == Kind.INT and value.number is not None:
        is_odd = value.number.abs() % 2 == 1
        return state.charge(node, bool_value(is_odd if node.name == "odd" else ~is_odd, value.size.grown()), [value])
    raise state.refuse(node, f"the test '{node.name}'")


@compiles(nodes.Compare)
def _compare(state: CompileState, node: nodes.Compare) -> Value:
    """A comparison, or a chain of them, each of which holds."""
    left = visit(state, node.expr)
    held: list[Value] = []
    for operand in node.ops:
        held.append(_compare_pair(state, node, left, operand.op, operand.expr))
        if operand is not node.ops[-1]:
            left = visit(state, operand.expr)
    if len(held) == 1:
        return held[0]
    all_hold = reduce(operator.and_, (one.number if one.number is not None else pl.lit(one.truth) for one in held))
    return state.charge(node, bool_value(all_hold, together([one.size for one in held])), held)


def _compare_pair(state: CompileState, node: nodes.Expr, left: Value, comparison: str, right_node: nodes.Expr) -> Value:
    if comparison in {"in", "notin"}:
        found = each(state, left, lambda one: _contains(state, node, one, right_node))
        return _not_value(found) if comparison == "notin" else found
    right = visit(state, right_node)
    return each(state, left, lambda one: each(state, right, lambda other: _compare_values(state, node, one, comparison, other)))


def _compare_values(state: CompileState, node: nodes.Expr, left: Value, comparison: str, right: Value) -> Value:
    size = together([left.size, right.size])
    if left.kind in NUMBERS and right.kind in NUMBERS:
        pair = [number_as(value, is_float=Kind.FLOAT in {left.kind, right.kind}) for value in (left, right)]
    elif left.kind == right.kind == Kind.TEXT:
        pair = [left.expr, right.expr]
    elif comparison in {"eq", "ne"} and not {left.kind, right.kind} & {Kind.MIXED, Kind.UNDEFINED}:
        # Different types are never equal in Python; None equals itself.
        is_equal = left.kind == right.kind == Kind.NONE
        return state.charge(node, bool_value(is_equal is (comparison == "eq"), size), [left, right])
    else:
        raise state.refuse(node, f"a comparison of {left.kind} and {right.kind}")
    return state.charge(node, bool_value(_ORDER[comparison](*pair), size), [left, right])


def _contains(state: CompileState, node: nodes.Expr, value: Value, within: nodes.Expr) -> Value:
    """`in`: part of a text, or one of the items that a list or tuple names."""
    if isinstance(within, nodes.Filter) and within.name == COMPARED:
        assert within.node is not None
        within = within.node
    text = visit_any(state, within)
    if text.kind == Kind.LIST:
        found = [each(state, item, lambda one: _compare_values(state, node, value, "eq", one)) for item in text.items]
        is_any = reduce(operator.or_, (pl.lit(one.truth) if isinstance(one.truth, bool) else one.truth for one in found), pl.lit(False))
        return state.charge(node, bool_value(is_any, together([one.size for one in found])), found)
    if text.alternatives is not None:
        raise state.refuse(node, f"something looked for in {text.kind}")
    if value.kind != Kind.TEXT or text.kind != Kind.TEXT:
        raise state.refuse(node, f"{value.kind} looked for in {text.kind}")
    size = together([value.size, text.size])
    if value.is_constant and text.is_constant:
        return bool_value(str(value.constant) in str(text.constant), size)
    needle = str(value.constant) if value.is_constant else value.expr
    return state.charge(node, bool_value(text.expr.str.contains(needle, literal=True), size), [value, text])


@compiles(nodes.Not)
def _not(state: CompileState, node: nodes.Not) -> Value:
    return state.charge(node, _not_value(visit(state, node.node)))


def _not_value(value: Value) -> Value:
    return bool_value(not value.truth if isinstance(value.truth, bool) else ~value.truth, value.size.grown())


@compiles(nodes.And)
def _and(state: CompileState, node: nodes.And) -> Value:
    left = visit(state, node.left)
    if left.truth is False:
        return left
    with state.under(left.truth):
        right = visit(state, node.right)
    return state.charge(node, choose(left.truth, right, left, left.size.weight))


@compiles(nodes.Or)
def _or(state: CompileState, node: nodes.Or) -> Value:
    left = visit(state, node.left)
    if left.truth is True:
        return left
    with state.under(~left.truth if isinstance(left.truth, pl.Expr) else True):
        right = visit(state, node.right)
    return state.charge(node, choose(left.truth, left, right, left.size.weight))


@compiles(nodes.CondExpr)
def _inline_if(state: CompileState, node: nodes.CondExpr) -> Value:
    condition = visit(state, node.test)
    then = otherwise = Value(Kind.UNDEFINED, ("",), truth=False)
    # The branch of a constant condition that is never taken need not compile.
    if condition.truth is not False:
        with state.under(condition.truth):
            then = visit(state, node.expr1)
    if condition.truth is not True and node.expr2 is not None:
        with state.under(~condition.truth if isinstance(condition.truth, pl.Expr) else True):
            otherwise = visit(state, node.expr2)
    return state.charge(node, choose(condition.truth, then, otherwise, condition.size.weight))
