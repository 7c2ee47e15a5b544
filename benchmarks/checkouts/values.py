"""How values of two sides are compared: JSON documents, lint reports, lines and tables.

Each function yields `(where, kind, old, new, is_message)`.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import polars as pl

Found = Iterator[tuple[str, str, Any, Any, bool]]

MISSING = "(nothing)"
# What differs between two runs of the same code, or says which code it was.
VOLATILE = frozenset(
    {"seconds", "rows_per_second", "tokens_per_second", "examples_per_second", "peak_memory_bytes", "loopwright_version", "dataset_key"}
)
MESSAGES = frozenset({"message", "remedy", "detail", "verdict", "advice", "warnings", "notes", "reason"})
_FINDING_DETAILS = ("file", "field", "kind", "score", "related")


def normalise(value: Any) -> Any:
    """Returns a JSON value in which an example's forms are a list named `forms`, as a template's are."""
    if isinstance(value, dict):
        value = {name: normalise(one) for name, one in value.items()}
        if {"row_id", "template", "kind"} <= value.keys():
            kind = value.pop("kind")
            value["forms"] = kind.split("+") if isinstance(kind, str) else kind
        if isinstance(value.get("kinds"), list):
            value["forms"] = value.pop("kinds")
        return value
    return [normalise(one) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Rules:
    """How JSON values are compared.

    Attributes:
        volatile: keys that are left out.
        messages: keys whose values are text for people.
        may_add: whether the new side may have keys that the old one has not.
    """

    volatile: Collection[str] = VOLATILE
    messages: Collection[str] = MESSAGES
    may_add: bool = False


STRICT = Rules(volatile=(), messages=())


def compare_json(old: Any, new: Any, rules: Rules = STRICT) -> Found:
    """Compares two JSON values key by key."""
    old, new = normalise(old), normalise(new)
    if rules.volatile and isinstance(old, dict) and isinstance(new, dict):  # further in, `key` is the column that names a row
        old, new = ({name: value for name, value in one.items() if name != "key"} for one in (old, new))
    yield from _walk(old, new, Place("", ""), rules)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands in a document: with the numbers of rows, without them, and whether it is of a text for people."""

    where: str
    kind: str
    is_message: bool = False

    def key(self, name: str, rules: Rules) -> "Place":
        """Returns the place of a key."""
        where, kind = f"{self.where}.{name}".lstrip("."), f"{self.kind}.{name}".lstrip(".")
        return Place(where, kind, self.is_message or name in rules.messages)

    def item(self, number: int) -> "Place":
        """Returns the place of a list's item."""
        return Place(f"{self.where}[{number}]", f"{self.kind}[]", self.is_message)


def _walk(old: Any, new: Any, place: Place, rules: Rules) -> Found:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            if name not in rules.volatile and (name in old or not rules.may_add):
                yield from _walk(old.get(name, MISSING), new.get(name, MISSING), place.key(name, rules), rules)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _walk(before, after, place.item(number), rules)
    elif isinstance(old, list) and isinstance(new, list):
        yield f"{place.where}[{len(old)} -> {len(new)}]", f"{place.kind}[]", _less(old, new), _less(new, old), place.is_message
    elif not _same(old, new):
        yield place.where, place.kind, old, new, place.is_message


def _less(old: list[Any], new: list[Any]) -> list[Any]:
    """Returns what one list has and the other has not."""
    return [one for one in old if one not in new]


def compare_lint(old: dict[str, Any], new: dict[str, Any]) -> Found:
    """Compares two lint reports: findings by code, place, span and severity; what else they say of a finding; which rules were skipped."""
    before, after = _by_identity(old["diagnostics"]), _by_identity(new["diagnostics"])
    for identity in [*before, *(one for one in after if one not in before)]:
        had, has = before.get(identity, []), after.get(identity, [])
        code, place, span, severity = identity
        where = f"{code} {place} {severity}" + (f" span {span}" if span else "")
        if len(had) != len(has):
            yield where, code, [one["message"] for one in had] or MISSING, [one["message"] for one in has] or MISSING, False
            continue
        for one, other in zip(had, has, strict=True):
            for name in _FINDING_DETAILS:
                if one.get(name) != other.get(name):
                    yield f"{where} {name}", f"{code} {name}", one.get(name), other.get(name), False
            for name in ("message", "remedy"):
                if one[name] != other[name]:
                    yield f"{where} {name}", f"{code} {name}", one[name], other[name], True
    order, order_now = ([_identity(one) for one in side["diagnostics"]] for side in (old, new))
    if order != order_now and Counter(order) == Counter(order_now):
        first = next(index for index, (one, other) in enumerate(zip(order, order_now, strict=True)) if one != other)
        yield f"diagnostics[{first}]", "order of findings", order[first], order_now[first], False
    yield from compare_json({"summary": old["summary"]}, {"summary": new["summary"]})
    skipped, skipped_now = ({(one["code"], one.get("partly", False)): one["reason"] for one in side["skipped"]} for side in (old, new))
    for rule in sorted(skipped.keys() ^ skipped_now.keys()):
        yield f"skipped {rule[0]}", "skipped", skipped.get(rule, MISSING), skipped_now.get(rule, MISSING), False
    for rule in skipped.keys() & skipped_now.keys():
        if skipped[rule] != skipped_now[rule]:
            yield f"skipped {rule[0]} reason", "skipped reason", skipped[rule], skipped_now[rule], True


def _identity(finding: Mapping[str, Any]) -> tuple[str, str, str, str]:
    place = finding["id"] if finding["id"] is not None else f"line {finding['line']}"
    return finding["code"], place, json.dumps(finding.get("span")) if finding.get("span") else "", finding["severity"]


def _by_identity(findings: list[dict[str, Any]]) -> dict[tuple[str, str, str, str], list[dict[str, Any]]]:
    """Returns findings by what makes them the same; several of one identity in an order that does not hang on their messages."""
    groups: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for one in findings:
        groups.setdefault(_identity(one), []).append(one)
    for ones in groups.values():
        ones.sort(key=lambda one: json.dumps([one.get(name) for name in _FINDING_DETAILS], default=str))
    return groups


def compare_lines(old: bytes, new: bytes) -> Found:
    """Compares two files of lines byte by byte, and says which keys of a JSON line differ."""
    for number, (before, after) in enumerate(zip_longest(old.splitlines(keepends=True), new.splitlines(keepends=True)), start=1):
        if before == after:
            continue
        parsed = _parse_both(before, after)
        found = [] if parsed is None else list(compare_json(*parsed))
        for where, _, one, other, _ in found:
            yield f"line {number} {where}", "lines", one, other, False
        if not found:
            yield f"line {number}", "lines", *(MISSING if one is None else one.decode(errors="replace") for one in (before, after)), False


def _parse_both(old: bytes | None, new: bytes | None) -> tuple[Any, Any] | None:
    try:
        return json.loads(old or b""), json.loads(new or b"")
    except ValueError:
        return None


def compare_json_lines(old: bytes, new: bytes, *, messages: Collection[str]) -> Found:
    """Compares two JSON Lines files row by row; of keys that are messages, text for people."""
    for number, (before, after) in enumerate(zip_longest(old.splitlines(), new.splitlines()), start=1):
        if before == after:
            continue
        if before is None or after is None:
            yield f"line {number}", "number of lines", *(MISSING if one is None else one.decode() for one in (before, after)), False
            continue
        for where, kind, one, other, is_message in compare_json(json.loads(before), json.loads(after), Rules((), messages)):
            yield f"line {number} {where}", kind, one, other, is_message


def compare_tables(old: pl.DataFrame, new: pl.DataFrame, *, may_add: Collection[str] = (), name: Callable[[int], str] = str) -> Found:
    """Compares two tables column by column, value by value, in the order of their rows.

    Args:
        old: the table of the old side.
        new: that of the new side.
        may_add: columns that the new side may have and the old one not.
        name: says which row a number is.
    """
    old, new = _with_forms(old), _with_forms(new)
    if old.height != new.height:
        yield f"{old.height} -> {new.height} rows", "number of rows", old.height, new.height, False
        return
    for column in [*old.columns, *(one for one in new.columns if one not in old.columns and one not in may_add)]:
        before, after = (side.schema.get(column) for side in (old, new))
        if before != after:
            yield f"column {column}", f"column {column}", MISSING if before is None else str(before), str(after or MISSING), False
            continue
        if old[column].equals(new[column], null_equal=True):
            continue
        for number, (one, other) in enumerate(zip(old[column].to_list(), new[column].to_list(), strict=True)):
            if not _same(one, other):
                yield f"row {name(number)} column {column}", f"column {column}", one, other, False
    if [one for one in new.columns if one in old.columns] != [one for one in old.columns if one in new.columns]:
        yield "columns", "order of columns", old.columns, new.columns, False


def _with_forms(table: pl.DataFrame) -> pl.DataFrame:
    """Returns a table of examples in which their forms are a list named `forms`; the `kind` of a finding is something else."""
    name = next((name for name in ("kind", "kinds", "forms") if name in table.columns), None)
    if name is None or not {"row_id", "template"} <= set(table.columns):
        return table
    forms = pl.col(name).str.split("+") if table.schema[name] == pl.String else pl.col(name).cast(pl.List(pl.String))
    return table.with_columns(forms).rename({name: "forms"})


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same(old[name], new[name]) for name in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    if isinstance(old, float) and isinstance(new, float) and math.isnan(old):
        return math.isnan(new)
    return type(old) is type(new) and old == new
