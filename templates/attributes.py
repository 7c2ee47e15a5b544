"""What a template asks of its inputs, its demonstrations and its loops that they never have, found without rendering a row.

A turn has a text, and `turn.txt` would drop every row that reaches it, or write nothing where a default stands behind it. What a name holds
is told from all that is ever put into it; a name that may hold two kinds of thing is left alone.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

from jinja2 import nodes
from jinja2.runtime import LoopContext

from loopwright.errors import UserError, did_you_mean
from templates.sandbox import COMPARED, COUNTED, SLICED, STRING_METHODS
from templates.values import SPEAKER_KEYS, TEXT_KEYS, TURN_KEYS, InputType

if TYPE_CHECKING:
    from templates.template import Template


class _Kind(StrEnum):
    """What a value is, as messages call it."""

    TURNS = "a list of turns"
    TURN = "a turn"
    SHOTS = "the list of demonstrations"
    SHOT = "a demonstration"
    LOOP = "the state of a loop"
    TEXT = "a text"
    NUMBER = "a number"
    LIST = "a list"


_OF_TYPE: dict[InputType, _Kind] = {
    "str": _Kind.TEXT,
    "int": _Kind.NUMBER,
    "float": _Kind.NUMBER,
    "bool": _Kind.NUMBER,
    "list": _Kind.LIST,
    "turns": _Kind.TURNS,
}
_ITEM = {_Kind.TURNS: _Kind.TURN, _Kind.SHOTS: _Kind.SHOT}
# What Python gives a value of each kind. Much of it the sandbox refuses, and says so by its name.
_PYTHON: dict[_Kind, type] = {
    _Kind.TURNS: list,
    _Kind.SHOTS: list,
    _Kind.LIST: list,
    _Kind.TURN: dict,
    _Kind.SHOT: dict,
    _Kind.TEXT: str,
    _Kind.NUMBER: float,
    _Kind.LOOP: LoopContext,
}
# Filters that give what they were given, or fewer of it.
_KEEPING = frozenset({COUNTED, COMPARED, SLICED, "reverse", "list", "sort", "unique", "select", "reject", "selectattr", "rejectattr"})
_BY_ATTRIBUTE = frozenset({"selectattr", "rejectattr", "groupby"})  # whose first argument is the attribute's name
_ATTRIBUTE_ALSO = frozenset({"map", "sort", "unique", "sum", "join", "min", "max", "groupby"})  # which take it by name


def check_attributes(template: "Template") -> None:
    """Refuses attributes that nothing of their kind has.

    Raises:
        UserError: the first of them.
    """
    found = sorted(_Names(template).unknown(), key=lambda one: one[0])
    if found:
        line, cause, remedy = found[0]
        raise UserError(cause, template.at(line), remedy)


class _Names:
    """What the names of a template hold."""

    def __init__(self, template: "Template") -> None:
        self._template = template
        self._tree = template.tree
        self._fixed: dict[str, _Kind | None] = {"loop": _Kind.LOOP}
        for name, kind in template.header.inputs.items():  # one called `loop` is hidden within loops alone
            self._fixed[name] = None if name == "loop" else _OF_TYPE.get(kind)
        if template.shots:
            self._fixed["shots"] = _Kind.SHOTS
        self._kinds: dict[str, _Kind | None] = {}
        bindings = list(self._bindings())
        # What a name holds may come of another name: one more look for each link of the longest chain.
        for _ in range(len(bindings) + 1):
            before = dict(self._kinds)
            self._kinds = self._look(bindings)
            if self._kinds == before:
                break

    def unknown(self) -> Iterator[tuple[int, str, str]]:
        """Yields (line, cause, remedy) of each attribute that is never there."""
        for node in self._tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Call, nodes.Filter)):
            for holder, kind, name in self._asked(node):
                if kind is not None and not self._has(kind, name):
                    yield node.lineno, f"{_shown(holder, kind)} has no '{name}'", self._remedy(kind, name)

    def _asked(self, node: nodes.Node) -> Iterator[tuple[nodes.Node, _Kind | None, str]]:
        """Yields (value, its kind, name) of each attribute that an expression asks for."""
        if isinstance(node, nodes.Getattr):
            yield node.node, self._kind(node.node), node.attr
        elif isinstance(node, nodes.Getitem):
            kind = self._kind(node.node)
            if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) and kind in _ITEM.values():
                yield node.node, kind, node.arg.value
        elif isinstance(node, nodes.Call):
            method = node.node
            if isinstance(method, nodes.Getattr) and method.attr == "get" and node.args and self._kind(method.node) in _ITEM.values():
                for name in _names_in(node.args[0]):
                    yield method.node, self._kind(method.node), name
        elif isinstance(node, nodes.Filter) and node.node is not None:
            item = _ITEM.get(self._kind(node.node) or _Kind.TEXT)
            named = [node.args[0]] if node.name in _BY_ATTRIBUTE and node.args else []
            named += [pair.value for pair in node.kwargs if pair.key == "attribute" and node.name in _ATTRIBUTE_ALSO]
            for name in (name for expression in named for name in _names_in(expression)):
                yield node, item, name

    def _bindings(self) -> Iterator[tuple[str, nodes.Node | None, bool]]:
        """Yields (name, what it is made of, whether each is an item of that); None for what is not looked into."""
        for loop in self._tree.find_all(nodes.For):
            yield from _bound(loop.target, loop.iter, is_item=True)
        for assign in self._tree.find_all(nodes.Assign):
            yield from _bound(assign.target, assign.node, is_item=False)
        seen = (nodes.For, nodes.Assign)
        for other in self._tree.find_all(nodes.Node):
            if not isinstance(other, seen):
                for child in other.iter_child_nodes():
                    if isinstance(child, nodes.Name) and child.ctx in {"store", "param"} and not isinstance(other, nodes.Tuple):
                        yield child.name, None, False

    def _look(self, bindings: list[tuple[str, nodes.Node | None, bool]]) -> dict[str, _Kind | None]:
        held: dict[str, set[_Kind | None]] = {name: {kind} for name, kind in self._fixed.items()}
        for name, made_of, is_item in bindings:
            kind = None if made_of is None else self._kind(made_of)
            held.setdefault(name, set()).add(_ITEM.get(kind) if is_item and kind is not None else None if is_item else kind)
        return {name: next(iter(kinds)) if len(kinds) == 1 else None for name, kinds in held.items()}

    def _kind(self, node: nodes.Node) -> _Kind | None:
        """Returns what an expression gives; None where that is not known."""
        found: _Kind | None = None
        if isinstance(node, nodes.Name):
            found = self._kinds.get(node.name)
        elif isinstance(node, nodes.Getattr | nodes.Getitem):
            found = self._part(node)
        elif isinstance(node, nodes.Filter) and node.node is not None:
            inner = self._kind(node.node)
            found = _ITEM.get(inner) if inner and node.name in {"first", "last"} else inner if node.name in _KEEPING else None
        elif isinstance(node, nodes.CondExpr) and node.expr2 is not None:
            both = {self._kind(node.expr1), self._kind(node.expr2)}
            found = both.pop() if len(both) == 1 else None
        return found

    def _part(self, node: nodes.Getattr | nodes.Getitem) -> _Kind | None:
        inner = self._kind(node.node)
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            return inner
        name = node.attr if isinstance(node, nodes.Getattr) else node.arg.value if isinstance(node.arg, nodes.Const) else None
        if inner is _Kind.TURN and name in {"speaker", "role", "text"}:
            return _Kind.TEXT
        if inner is _Kind.SHOT:
            kind = self._template.header.inputs.get(str(name))
            return None if kind is None else _OF_TYPE.get(kind)
        return _ITEM.get(inner) if inner is not None and isinstance(node, nodes.Getitem) else None

    def _keys(self, kind: _Kind) -> tuple[str, ...]:
        return TURN_KEYS if kind is _Kind.TURN else tuple(self._template.header.inputs) if kind is _Kind.SHOT else ()

    def _has(self, kind: _Kind, name: str) -> bool:
        return name in self._keys(kind) or hasattr(_PYTHON[kind], name)

    def _remedy(self, kind: _Kind, name: str) -> str:
        if kind is _Kind.TURN and name in (*TEXT_KEYS, *SPEAKER_KEYS):  # as corpora call them; here they have one name
            return f"Did you mean '{'text' if name in TEXT_KEYS else 'speaker'}'?"
        if kind in {_Kind.TURN, _Kind.SHOT, _Kind.LOOP}:
            return did_you_mean(name, self._keys(kind) or [one for one in dir(LoopContext) if not one.startswith("_")])
        if name in self._template.environment.filters:
            return f"It is a filter: write | {name}."
        if kind is _Kind.TEXT:
            return did_you_mean(name, sorted(STRING_METHODS))
        if kind is _Kind.NUMBER:
            return "Write the number by itself."
        return "Ask its items: {% for one in ... %}{{ one." + name + " }}{% endfor %}."


def _shown(node: nodes.Node, kind: _Kind) -> str:
    return f"'{node.name}', {kind}," if isinstance(node, nodes.Name) else str(kind)


def _bound(target: nodes.Node, made_of: nodes.Node, *, is_item: bool) -> Iterator[tuple[str, nodes.Node | None, bool]]:
    if isinstance(target, nodes.Name):
        yield target.name, made_of, is_item
        return
    for name in target.find_all(nodes.Name):  # of a pair, it is not known which is which
        yield name.name, None, False


def _names_in(expression: nodes.Node) -> list[str]:
    """Returns the attributes that a constant text names, each by its first step: `sort` takes several, and a name may go deeper."""
    if not (isinstance(expression, nodes.Const) and isinstance(expression.value, str)):
        return []
    return [name for one in expression.value.split(",") if (name := one.partition(".")[0].strip()) and not name.isdecimal()]
