"""A template's statements: its tags, with the text of each and the condition under which a row has it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl
from jinja2 import nodes

from templates.compile import (
    expressions,  # noqa: F401 (registers what it compiles)
    filters,
)
from templates.compile.dispatch import visit, visit_any
from templates.compile.state import CompileState
from templates.compile.text import Branch, Text
from templates.compile.values import Kind, Size, Value, choose, text_value, together
from templates.syntax import tag_of

COMPILED_TAGS = frozenset({"message", "prompt", "cloze", "target", "text", "chosen", "rejected"})


@dataclass(frozen=True, slots=True)
class TagText:
    """What one tag of the template gives.

    Attributes:
        kind: the tag.
        role: of a message.
        text: what stands in it.
        condition: which rows have it; True for all.
    """

    kind: str
    role: str | None
    text: Text
    condition: pl.Expr | bool


def compile_body(state: CompileState) -> list[TagText]:
    """Compiles a template's body.

    Raises:
        NotPlainError: something of it is left to Jinja.
    """
    return list(_outside(state, state.template.tree.body, condition=True))


def _outside(state: CompileState, statements: Sequence[nodes.Node], *, condition: pl.Expr | bool) -> Iterator[TagText]:
    """Compiles what stands outside of tags."""
    for node in statements:
        if isinstance(node, nodes.Output) and all(isinstance(child, nodes.TemplateData) and not child.data.strip() for child in node.nodes):
            continue
        if isinstance(node, nodes.CallBlock) and (tag := tag_of(node)) is not None:
            kind, role = tag
            if kind not in COMPILED_TAGS:
                raise state.refuse(node, f"the tag '{kind}'")
            if kind == "message" and role is None:
                raise state.refuse(node, "a role that is not a constant")
            with state.scope():
                yield TagText(kind, role, _text(state, node.body)[0], condition)
        elif isinstance(node, nodes.If):
            for holds, branch in _branches(state, node):
                yield from _outside(state, branch, condition=_both(condition, holds))
        elif isinstance(node, nodes.Assign | nodes.AssignBlock):
            # Jinja lets a tag before it see no value at all then, not even the input's.
            if isinstance(node.target, nodes.Name) and node.target.name in state.template.header.inputs:
                raise state.refuse(node, f"'set' of the input '{node.target.name}' outside of a tag")
            _set(state, node)
        else:
            raise state.refuse(node, f"'{type(node).__name__.lower()}' outside of a tag")


def _text(state: CompileState, statements: Sequence[nodes.Node]) -> tuple[Text, Size]:
    """Compiles what stands in a tag, or in a block within one, to its text."""
    text: Text = ()
    sizes: list[Size] = []
    for node in statements:
        if isinstance(node, nodes.Output):
            for child in node.nodes:
                value = (
                    text_value((child.data,), Size(0, len(child.data))) if isinstance(child, nodes.TemplateData) else visit(state, child)
                )
                state.print(value)
                text, sizes = text + value.text, [*sizes, value.size]
        elif isinstance(node, nodes.If):
            branches, inner_sizes = [], []
            for holds, branch in _branches(state, node):
                inner, size = _text(state, branch)
                branches.append((holds, inner))
                inner_sizes.append(size)
            # Each branch stands within the else of the one before.
            sizes.append(replace(together(inner_sizes), depth=len(branches) + max(size.depth for size in inner_sizes)))
            state.check(node, sizes[-1])
            text += _chosen(branches)
        elif isinstance(node, nodes.Assign | nodes.AssignBlock):
            _set(state, node)
        elif isinstance(node, nodes.FilterBlock):
            with state.scope():
                value = text_value(*_text(state, node.body))
            value = _filtered(state, node.filter, value)
            text, sizes = text + value.text, [*sizes, value.size]
        else:
            raise state.refuse(node, f"the tag '{type(node).__name__.lower()}'")
    return text, together(sizes)


def _chosen(branches: list[tuple[pl.Expr | bool, Text]]) -> Text:
    """Returns the text of the first branch whose condition holds; conditions exclude one another."""
    text: Text = ()
    for holds, inner in reversed(branches):
        text = (inner if holds else text) if isinstance(holds, bool) else (Branch(holds, inner, text),)
    return text


def _branches(state: CompileState, node: nodes.If) -> Iterator[tuple[pl.Expr | bool, Sequence[nodes.Node]]]:
    """Yields the condition and statements of each branch that some row takes; variables that one sets are merged after the last."""
    remaining: pl.Expr | bool = True
    before = state.variables
    ends: list[tuple[pl.Expr | bool, dict[str, Value]]] = []
    tests: list[tuple[nodes.Node | None, Sequence[nodes.Node]]] = [(one.test, one.body) for one in (node, *node.elif_)]
    for test, body in [*tests, (None, node.else_)]:
        state.variables = dict(before)
        with state.under(remaining):
            truth = True if test is None else visit(state, test).truth
        holds = _both(remaining, truth)
        if holds is not False:
            with state.under(holds):
                yield holds, body
            ends.append((holds, state.variables))
        remaining = _both(remaining, not truth if isinstance(truth, bool) else ~truth)
        if remaining is False:
            break
    state.variables = _merged(state, node, ends)


def _merged(state: CompileState, node: nodes.If, ends: list[tuple[pl.Expr | bool, dict[str, Value]]]) -> dict[str, Value]:
    """Returns the variables after an if. One that only some branches set has no value that could be compiled: its use is refused."""
    (_, merged), *others = reversed(ends)
    for holds, variables in others:
        both = {name: (variables[name], value) for name, value in merged.items() if name in variables}
        both = {name: pair for name, pair in both.items() if pair[0] is pair[1] or Kind.LIST not in {value.kind for value in pair}}
        merged = {
            name: now if now is later else state.charge(node, choose(holds, now, later, now.size.weight))
            for name, (now, later) in both.items()
        }
    return merged


def _set(state: CompileState, node: nodes.Assign | nodes.AssignBlock) -> None:
    if not isinstance(node.target, nodes.Name):
        raise state.refuse(node, "a 'set' of something else than one name")
    if isinstance(node, nodes.Assign):
        value = visit_any(state, node.node)
    else:
        if node.target.name in state.template.header.inputs:
            # Jinja lets the block itself see no value at all then, not even the input's.
            raise state.refuse(node, f"'set' of the input '{node.target.name}' as a block")
        with state.scope():
            value = text_value(*_text(state, node.body))
        if node.filter is not None:
            value = _filtered(state, node.filter, value)
    state.variables = state.variables | {node.target.name: state.charge(node, value)}


def _filtered(state: CompileState, node: nodes.Filter, value: Value) -> Value:
    """Applies the filters of a block, the innermost of which stands on nothing."""
    inner = value if node.node is None else _filtered(state, _as_filter(state, node.node), value)
    return filters.apply(state, node, inner)


def _as_filter(state: CompileState, node: nodes.Expr) -> nodes.Filter:
    if not isinstance(node, nodes.Filter):
        raise state.refuse(node, "a filter block on something else than its text")
    return node


def _both(left: pl.Expr | bool, right: pl.Expr | bool) -> pl.Expr | bool:
    if isinstance(left, bool):
        return right if left else False
    if isinstance(right, bool):
        return left if right else False
    return left & right
