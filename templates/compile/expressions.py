"""Jinja's expressions as column values: names, constants, operators, comparisons and conditions."""

import operator
from collections.abc import Callable
from functools import reduce

import polars as pl
from jinja2 import nodes

from templates import limits
from templates.compile import filters
from templates.compile.state import State
from templates.compile.values import (
    MAX_MAGNITUDE,
    NUMBERS,
    Kind,
    Size,
    Value,
    bool_value,
    choose,
    constant,
    int_value,
    text_value,
    together,
)
from templates.sandbox import COMPARED, PLAIN, SLICED

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


def visit(state: State, node: nodes.Node) -> Value:
    """Compiles an expression.

    Raises:
        NotPlainError: it is left to Jinja.
    """
    compiler = _COMPILERS.get(type(node))
    if compiler is None:
        raise state.refuse(node, f"an expression ({type(node).__name__.lower()})")
    return compiler(state, node)


def _const(state: State, node: nodes.Const) -> Value:
    value = constant(node.value)
    if value is None:
        raise state.refuse(node, f"the constant {str(node.value)[:20]}")
    return state.charge(node, value)


def _name(state: State, node: nodes.Name) -> Value:
    if node.name in state.variables:
        return state.variables[node.name]
    kind = state.template.header.inputs.get(node.name)
    raise state.refuse(node, f"'{node.name}', which is of type {kind}" if kind else f"the variable '{node.name}'")


def _filter(state: State, node: nodes.Filter) -> Value:
    assert node.node is not None, "a filter block's filter is given its text"
    if node.name == COMPARED:
        return visit(state, node.node)
    if node.name == SLICED:
        return _slice(state, node.node) if isinstance(node.node, nodes.Getitem) else visit(state, node.node)
    if node.name == PLAIN:
        value = visit(state, node.node)
        return state.charge(node, text_value(value.text, value.size), [value])
    if node.name == "join" and isinstance(node.node, nodes.List | nodes.Tuple):
        values = [visit(state, item) for item in node.node.items]
        return state.charge(node, filters.join(state, node, values), values)
    if node.name in {"default", "d"}:
        return _default(state, node, visit(state, node.node))
    return filters.apply(state, node, visit(state, node.node))


def _default(state: State, node: nodes.Filter, value: Value) -> Value:
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


def _slice(state: State, node: nodes.Getitem) -> Value:
    """`text[a:b]` with constant borders."""
    assert isinstance(node.arg, nodes.Slice), "the sandbox marks nothing else"
    value = visit(state, node.node)
    borders = [_border(state, node, one) for one in (node.arg.start, node.arg.stop)]
    if value.kind != Kind.TEXT or node.arg.step is not None:
        raise state.refuse(node, "a slice of what is no text, or with a step")
    return state.charge(node, filters.cut(state, node, value, *borders), [value])


def _border(state: State, node: nodes.Expr, border: nodes.Expr | None) -> int | None:
    if border is None:
        return None
    value = visit(state, border)
    if value.kind != Kind.INT or not value.is_constant:
        raise state.refuse(node, "a slice whose borders are no constants")
    assert isinstance(value.constant, int)
    return value.constant


def _call(state: State, node: nodes.Call) -> Value:
    method = node.node
    if not isinstance(method, nodes.Getattr):
        raise state.refuse(node, "a call")
    value = visit(state, method.node)
    if value.kind != Kind.TEXT:
        raise state.refuse(node, f"the method '{method.attr}' of what is no text")
    return filters.call(state, node, method.attr, value)


def _test(state: State, node: nodes.Test) -> Value:
    value = visit(state, node.node)
    if node.name in _COMPARING_TESTS and len(node.args) == 1:
        return _compare_pair(state, node, value, _COMPARING_TESTS[node.name], node.args[0])
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


def _compare(state: State, node: nodes.Compare) -> Value:
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


def _compare_pair(state: State, node: nodes.Expr, left: Value, comparison: str, right_node: nodes.Expr) -> Value:
    if comparison in {"in", "notin"}:
        found = _contains(state, node, left, right_node)
        return _not_value(found) if comparison == "notin" else found
    right = visit(state, right_node)
    size = together([left.size, right.size])
    if left.kind in NUMBERS and right.kind in NUMBERS:
        pair = [_as_number(value, is_float=Kind.FLOAT in {left.kind, right.kind}) for value in (left, right)]
    elif left.kind == right.kind == Kind.TEXT:
        pair = [left.expr, right.expr]
    elif comparison in {"eq", "ne"} and not {left.kind, right.kind} & {Kind.MIXED, Kind.UNDEFINED}:
        # Different types are never equal in Python; None equals itself.
        is_equal = left.kind == right.kind == Kind.NONE
        return state.charge(node, bool_value(is_equal is (comparison == "eq"), size), [left, right])
    else:
        raise state.refuse(node, f"a comparison of {left.kind} and {right.kind}")
    return state.charge(node, bool_value(_ORDER[comparison](*pair), size), [left, right])


def _as_number(value: Value, *, is_float: bool) -> pl.Expr:
    assert value.number is not None
    return value.number.cast(pl.Float64 if is_float else pl.Int64)


def _contains(state: State, node: nodes.Expr, value: Value, within: nodes.Expr) -> Value:
    """`in`: part of a text, or one of the items that a list or tuple names."""
    if isinstance(within, nodes.Filter) and within.name == COMPARED:
        assert within.node is not None
        within = within.node
    items = _items(within)
    if items is not None:
        found = [_compare_pair(state, node, value, "eq", item) for item in items]
        is_any = reduce(operator.or_, (pl.lit(one.truth) if isinstance(one.truth, bool) else one.truth for one in found), pl.lit(False))
        return state.charge(node, bool_value(is_any, together([one.size for one in found])), found)
    text = visit(state, within)
    if value.kind != Kind.TEXT or text.kind != Kind.TEXT:
        raise state.refuse(node, f"{value.kind} looked for in {text.kind}")
    size = together([value.size, text.size])
    if value.is_constant and text.is_constant:
        return bool_value(str(value.constant) in str(text.constant), size)
    needle = str(value.constant) if value.is_constant else value.expr
    return state.charge(node, bool_value(text.expr.str.contains(needle, literal=True), size), [value, text])


def _items(node: nodes.Expr) -> list[nodes.Expr] | None:
    """Returns the items of a list or tuple that stands in the template; Jinja has made those of constants alone one constant."""
    if isinstance(node, nodes.Const) and isinstance(node.value, list | tuple):
        return [nodes.Const(item, lineno=node.lineno) for item in node.value]
    return node.items if isinstance(node, nodes.List | nodes.Tuple) else None


def _not(state: State, node: nodes.Not) -> Value:
    return state.charge(node, _not_value(visit(state, node.node)))


def _not_value(value: Value) -> Value:
    return bool_value(not value.truth if isinstance(value.truth, bool) else ~value.truth, value.size.grown())


def _and(state: State, node: nodes.And) -> Value:
    left = visit(state, node.left)
    if left.truth is False:
        return left
    with state.under(left.truth):
        right = visit(state, node.right)
    return state.charge(node, choose(left.truth, right, left, left.size.weight))


def _or(state: State, node: nodes.Or) -> Value:
    left = visit(state, node.left)
    if left.truth is True:
        return left
    with state.under(~left.truth if isinstance(left.truth, pl.Expr) else True):
        right = visit(state, node.right)
    return state.charge(node, choose(left.truth, left, right, left.size.weight))


def _inline_if(state: State, node: nodes.CondExpr) -> Value:
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


def _add(state: State, node: nodes.Add) -> Value:
    left, right = visit(state, node.left), visit(state, node.right)
    size = together([left.size, right.size])
    if left.kind == right.kind == Kind.TEXT:
        return state.charge(node, text_value(left.text + right.text, size), [left, right])
    return _sum(state, node, left, right, operator.add)


def _subtract(state: State, node: nodes.Sub) -> Value:
    return _sum(state, node, visit(state, node.left), visit(state, node.right), operator.sub)


def _sum(state: State, node: nodes.BinExpr, left: Value, right: Value, operation: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Value:
    magnitude = left.magnitude + right.magnitude
    if left.kind != Kind.INT or right.kind != Kind.INT or magnitude > MAX_MAGNITUDE:
        raise state.refuse(node, f"a sum of {left.kind} and {right.kind}")
    numbers = [_as_number(value, is_float=False) for value in (left, right)]
    joined = together([left.size, right.size])
    size = Size(0, len(str(MAX_MAGNITUDE)) + 1, joined.weight, joined.depth)
    return state.charge(node, int_value(operation(*numbers), size, magnitude), [left, right])


def _negative(state: State, node: nodes.Neg) -> Value:
    value = visit(state, node.node)
    if not value.is_constant or value.kind not in {Kind.INT, Kind.FLOAT}:
        raise state.refuse(node, "the negative of what is no constant")
    assert isinstance(value.constant, int | float)
    negative = constant(-value.constant)
    assert negative is not None
    return state.charge(node, negative)


_COMPILERS: dict[type[nodes.Node], Callable[..., Value]] = {
    nodes.Const: _const,
    nodes.Name: _name,
    nodes.Filter: _filter,
    nodes.Call: _call,
    nodes.Test: _test,
    nodes.Compare: _compare,
    nodes.Not: _not,
    nodes.And: _and,
    nodes.Or: _or,
    nodes.CondExpr: _inline_if,
    nodes.Add: _add,
    nodes.Sub: _subtract,
    nodes.Neg: _negative,
}
