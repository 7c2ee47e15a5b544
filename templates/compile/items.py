"""Lists and mappings that stand in the template, their items, and parts of texts."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from jinja2 import nodes

from templates.compile import filters
from templates.compile.dispatch import compiles, each, visit, visit_any
from templates.compile.state import CompileState
from templates.compile.values import Kind, Size, Value, choose, leaf_value, list_value, words_value


@compiles(nodes.List, nodes.Tuple)
def _list(state: CompileState, node: nodes.List | nodes.Tuple) -> Value:
    return state.charge(node, list_value([visit_any(state, item) for item in node.items]))


def filter_list(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    """Applies a filter to a list.

    Raises:
        NotPlainError: it is left to Jinja.
    """
    if node.name == "join" and not any(item.kind == Kind.LIST for item in value.items):
        return state.charge(node, filters.join(state, node, list(value.items)), value.items)
    if node.name in {"first", "last"} and value.items and not node.args and not node.kwargs:
        return value.items[0 if node.name == "first" else -1]
    raise state.refuse(node, f"the filter '{node.name}' on a list")


@compiles(nodes.Getitem)
def _item(state: CompileState, node: nodes.Getitem) -> Value:
    """`list[index]` of a list or mapping that stands in the template, and `text[index]` with a constant."""
    if isinstance(node.node, nodes.Const) and isinstance(node.node.value, dict):
        mapping = {key: visit(state, nodes.Const(item, lineno=node.lineno)) for key, item in node.node.value.items()}
        return each(state, visit(state, node.arg), lambda index: _pick(state, node, mapping, index))
    container, index = visit_any(state, node.node), visit(state, node.arg)
    if container.kind != Kind.LIST:
        return each(state, container, lambda text: _character(state, node, text, index))
    values = dict(enumerate(container.items))
    values |= {place - len(values): value for place, value in values.items()}
    return each(state, index, lambda one: _pick(state, node, values, one))


def _character(state: CompileState, node: nodes.Getitem, text: Value, index: Value) -> Value:
    if text.kind != Kind.TEXT or index.kind != Kind.INT or not isinstance(index.constant, int):
        raise state.refuse(node, "an item of what is no list, mapping or text, or a place that is no constant")
    place = index.constant
    state.fall_back(text.expr.str.len_chars() < (place + 1 if place >= 0 else -place))
    expr = text.expr.str.slice(place, 1) if place >= 0 else text.expr.str.tail(-place).str.head(1)
    return state.charge(node, leaf_value(expr, Size(0, 1, text.size.weight + 1, text.size.depth + 1)), [text])


def _pick(state: CompileState, node: nodes.Getitem, values: Mapping[Any, Value], index: Value) -> Value:
    """Returns the value of a key by an expression; rows whose key is not there are left to Jinja, which knows no value either."""
    if index.is_constant:
        if index.constant not in values:
            raise state.refuse(node, "an item that is not there")
        return values[index.constant]
    key_type = {Kind.INT: int, Kind.TEXT: str}.get(index.kind)
    if key_type is None or not values or any(type(key) is not key_type for key in values):
        raise state.refuse(node, f"an item by what is {index.kind}")
    if all(value.is_constant and value.kind == Kind.TEXT for value in values.values()):
        value, unknown = words_value(index.expr, {key: str(one.constant) for key, one in values.items()}, index.size)
        state.fall_back(unknown)
        return state.charge(node, value, [index])
    state.fall_back(~index.expr.is_in(list(values)))
    result = next(iter(values.values()))
    for key, value in values.items():
        if value.kind == Kind.LIST:
            raise state.refuse(node, "a list as a value")
        result = choose(index.expr == pl.lit(key), value, result, index.size.weight)
    return state.charge(node, result, [index, *values.values()])


def cut_text(state: CompileState, node: nodes.Getitem) -> Value:
    """Compiles `text[a:b]` with constant borders.

    Raises:
        NotPlainError: they are none, or what is cut is no text.
    """
    assert isinstance(node.arg, nodes.Slice), "the sandbox marks nothing else"
    value = visit(state, node.node)
    borders = [_border(state, node, one) for one in (node.arg.start, node.arg.stop)]
    if value.kind != Kind.TEXT or node.arg.step is not None:
        raise state.refuse(node, "a slice of what is no text, or with a step")
    return state.charge(node, filters.cut(state, node, value, *borders), [value])


def _border(state: CompileState, node: nodes.Expr, border: nodes.Expr | None) -> int | None:
    if border is None:
        return None
    value = visit(state, border)
    if value.kind != Kind.INT or not value.is_constant:
        raise state.refuse(node, "a slice whose borders are no constants")
    assert isinstance(value.constant, int)
    return value.constant
