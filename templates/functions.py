"""The filters and functions of the template language beside Jinja's own and `verbalize`."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

from loopwright.hashing import hash_text
from templates import limits
from templates.syntax import Role, state_of


def to_json(value: object, indent: int | None = None) -> str:
    """The filter `tojson`: JSON as it is, its keys in their own order. Jinja's own writes `<`, `&` and `'` for a web page."""
    limits.work(limits.text_size(value))
    limits.allow(limits.indent_size(value) * (indent or 0), "the indented JSON")
    return json.dumps(value, ensure_ascii=False, indent=indent)


@pass_context
def choice(context: Context, items: Iterable[Any]) -> Any:
    """Picks one of several by the row's id: the same in each build, and another for the next pick."""
    state = state_of(context)
    limits.work(limits.size(items))
    items = list(items)
    if not items:
        raise ValueError("there is nothing to choose from")
    state.num_choices += 1
    return items[int(hash_text(*state.seed, str(state.num_choices)), 16) % len(items)]


def as_text(role: Role) -> Role:
    """The role of a turn whose tool calls the template writes as text: without the calls, so that they do not stand there twice."""
    if not isinstance(role, Role):
        raise TypeError("'as_text' stands after a turn's role alone")
    return Role(role, {key: value for key, value in role.extras.items() if key in {"weight", "refusal", "reasoning"}})


def most_frequent(items: Iterable[Any]) -> list[Any]:
    """Returns those items that occur most often, in the order in which they first occur; none of none."""
    counts = Counter(items)
    limits.work(len(counts))
    most = max(counts.values(), default=0)
    return [item for item, count in counts.items() if count == most]


def zipped(*sequences: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Pairs sequences item by item, as far as the shortest goes: Python's `zip`."""
    pairs = list(zip(*sequences, strict=False))
    limits.work(len(pairs))
    return pairs


def append(items: list[Any], item: Any) -> None:
    """Adds an item to a list that the template made."""
    limits.work(1)
    items.append(item)


def pop(items: list[Any], index: int = -1) -> Any:
    """Takes an item out of a list that the template made."""
    return items.pop(index)


def update(values: dict[Any, Any], others: Mapping[Any, Any]) -> None:
    """Sets keys of a dictionary that the template made."""
    limits.work(len(others))
    values.update(others)


FILTERS: dict[str, Callable[..., Any]] = {"tojson": to_json, "choice": choice, "most_frequent": most_frequent, "as_text": as_text}
FUNCTIONS: dict[str, Callable[..., Any]] = {"choice": choice, "zip": zipped, "append": append, "pop": pop, "update": update}
