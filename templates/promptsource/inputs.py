"""The inputs of a template and their types, from how it uses them."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from jinja2 import Environment, meta, nodes

from templates.functions import FUNCTIONS
from templates.values import InputType

_STRING_METHODS = frozenset({"split", "lower", "upper", "strip", "replace", "startswith", "endswith", "title", "capitalize"})
_STRING_FILTERS = frozenset({"lower", "upper", "trim", "capitalize", "title", "replace", "truncate"})
_LIST_FILTERS = frozenset(
    {"join", "choice", "random", "map", "select", "reject", "selectattr", "rejectattr", "first", "last", "sort", "sum"}
)
_NUMBER_FILTERS = frozenset({"int", "round", "float", "abs"})


def infer_inputs(source: str, environment: Environment, label: str | None) -> dict[str, InputType]:
    """Returns the fields that a source uses, in the order of their first use, each with its type.

    A field that is looked into by name is a dict, one that is walked through a list, one that is worked on as text a str, as is one that is
    only written. What may be a number, a flag or a list is read as JSON: then it is what it was in the raw row.

    Args:
        source: the body, and what renders its choices.
        environment: parses it.
        label: the field that a verbalizer puts in words: an int, the index of its choice.
    """
    tree = environment.parse(source)
    called = {call.node.name for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name)}
    # Of a parse of its own: looking for them folds constants in the tree.
    undeclared = (
        meta.find_undeclared_variables(environment.parse(source)) - (called & ({*environment.globals} | {*FUNCTIONS})) - {"answer_choices"}
    )
    evidence: defaultdict[str, set[str]] = defaultdict(set)
    # What is done with `x` after `{% set x = field %}` is done with the field.
    field_of = {name: name for name in undeclared}
    for assign in tree.find_all(nodes.Assign):
        if isinstance(assign.target, nodes.Name) and isinstance(assign.node, nodes.Name) and assign.node.name in undeclared:
            field_of[assign.target.name] = assign.node.name
    for parent, child, place in _edges(tree):
        if isinstance(child, nodes.Name) and child.ctx == "load" and child.name in field_of:
            evidence[field_of[child.name]].add(_use(parent, child, place))
    order = sorted(undeclared, key=list(evidence).index)
    return {name: "int" if name == label else _type_of(evidence[name]) for name in order}


def _type_of(uses: set[str]) -> InputType:
    kinds: dict[str, InputType] = {"dict": "dict", "list": "list", "str": "str", "json": "json", "written": "str"}
    return next((kind for use, kind in kinds.items() if use in uses), "json")


def _use(parent: nodes.Node, name: nodes.Name, place: str) -> str:
    """Says what one use of a name tells of its type: `dict`, `list`, `str`, `json` (a number, flag or list), `written` or nothing."""
    found = "json"
    if isinstance(parent, nodes.Getattr):
        # Texts and lists both have an `index`.
        found = "str" if parent.attr in _STRING_METHODS else "json" if parent.attr in {"index", "count"} else "dict"
    elif isinstance(parent, nodes.Getitem) and place == "node":
        key = parent.arg.value if isinstance(parent.arg, nodes.Const) else None
        found = "dict" if isinstance(key, str) else "json"
    elif isinstance(parent, nodes.Getitem):
        found = "str" if isinstance(parent.node, nodes.Dict) and _has_text_keys(parent.node) else "json"
    elif isinstance(parent, nodes.Filter) and place == "node":
        for kind, filters in (("list", _LIST_FILTERS), ("str", _STRING_FILTERS), ("json", _NUMBER_FILTERS)):
            found = kind if parent.name in filters else found
        found = "" if parent.name in {"length", "count", "default", "d", "string"} else found
    elif isinstance(parent, nodes.For):
        found = "list"
    elif isinstance(parent, nodes.Call):
        called = parent.node.name if isinstance(parent.node, nodes.Name) else ""
        looked_up = isinstance(parent.node, nodes.Getattr) and parent.node.attr in {"index", "count"}
        found = {"zip": "list", "append": ""}.get(called, "str" if looked_up else "json")
    elif isinstance(parent, nodes.Compare):
        found = _compared_with([one for one in (parent.expr, *(operand.expr for operand in parent.ops)) if one is not name])
    elif isinstance(parent, nodes.Output | nodes.Concat | nodes.CondExpr | nodes.List | nodes.Tuple | nodes.Pair):
        found = "written" if place != "test" else ""
    elif isinstance(parent, nodes.Assign | nodes.If | nodes.Not | nodes.And | nodes.Or):
        found = ""
    return found


def _compared_with(others: list[nodes.Expr]) -> str:
    """Says what a comparison with constants, or with a list of them, tells."""
    listed = [item for one in others for item in (one.items if isinstance(one, nodes.List | nodes.Tuple) else [one])]
    constants = [item.value for item in listed if isinstance(item, nodes.Const)]
    if any(isinstance(value, str) for value in constants):
        return "str"
    return "json" if constants else ""


def _has_text_keys(node: nodes.Dict) -> bool:
    return all(isinstance(pair.key, nodes.Const) and isinstance(pair.key.value, str) for pair in node.items)


def _edges(tree: nodes.Node) -> Iterator[tuple[nodes.Node, nodes.Node, str]]:
    """Yields (parent, child, place of the child in it), depth first; what is compared counts as a child of the comparison."""
    for place, value in tree.iter_fields():
        for child in _children(value):
            one = child.expr if isinstance(child, nodes.Operand) else child
            yield tree, one, place
            yield from _edges(one)


def _children(value: Any) -> list[nodes.Node]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, nodes.Node)]
