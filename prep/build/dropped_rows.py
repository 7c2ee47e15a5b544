"""What the rows that a build dropped say: the commonest reason first, one of its rows, and what to do."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import polars as pl

from loopwright.errors import UserError
from templates.template import Template

UNKNOWN_LABEL = "unknown_label"
_UNKNOWN = re.compile(r"label '(?P<value>.*)' is no key of the verbalizer of '(?P<template>[^']*)'", re.DOTALL)
_MAX_SHOWN = 6
_MAX_CHARACTERS = 40
_FEW = 0.02
_PLAIN = re.compile(r"[A-Za-z0-9_][\w.-]*")
# What the lower of two values stands for, as people number them: 0 or no is the key that denies.
_DENIES = re.compile(r"(?i)(?:neg|non?|not|un|in|false|ham|bad|low|dis)")


def count_reasons(dropped: pl.DataFrame) -> dict[str, int]:
    """Returns the number of rows dropped for each reason, the commonest first."""
    counts = Counter(dropped["reason"])
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def no_row_left(dropped: pl.DataFrame, templates: Sequence[Template], where: str) -> UserError:
    """Returns the error for a build that keeps no row: why most of them went, an example, and the line to add where one helps.

    Args:
        dropped: the rows, with `reason`, `source`, `line` and `detail`.
        templates: those that were to render them.
        where: what the config is called.
    """
    if dropped.is_empty():
        return UserError("the sources hold no row", where, "Give a file with at least one row.")
    counts = count_reasons(dropped)
    reason = next(iter(counts))
    reasons = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    rows = dropped.filter(pl.col("reason") == reason)
    first = rows.row(0, named=True)
    which = "first" if len(counts) == 1 else f"first {reason}"
    said = f"Dropped: {reasons}. The {which}, {first['source']}:{first['line']}: {first['detail']}."
    remedy = label_remedy(rows["detail"], templates) if reason == UNKNOWN_LABEL else ""
    return UserError("no row is left to build from", where, f"{said} {remedy}".rstrip())


def label_remedy(details: Iterable[str], templates: Sequence[Template]) -> str:
    """Returns the line that maps the unknown labels of rows, by their `detail`, to the keys of the template that most of them name."""
    unknown = Counter((match["template"], match["value"]) for detail in details if (match := _UNKNOWN.search(detail)))
    if not unknown:
        return ""
    name = unknown.most_common(1)[0][0][0]
    keys = next((list(template.words) for template in templates if template.name == name), [])
    least = _FEW * unknown.total()  # a slip of the pen is no label
    values = [value for (of, value), rows in unknown.most_common() if of == name and rows >= least and len(value) <= _MAX_CHARACTERS]
    if not keys or not values:
        return ""
    shown = sorted(values[:_MAX_SHOWN])
    pairs = ", ".join(f"{_yaml(value)}: {_yaml(key)}" for value, key in zip(shown, _keys_of(shown, keys), strict=True))
    more = f" and so on for {len(values) - len(shown):,} more" if len(values) > len(shown) else ""
    known = ", ".join(keys[:_MAX_SHOWN]) + (", ..." if len(keys) > _MAX_SHOWN else "")
    return f"Map what the file calls them to the template's keys ({known}) in the config, for example `labels: {{{pairs}}}`{more}."


def _keys_of(values: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Returns a key for each value: one of like spelling, else the next that is left; of two, the one that denies for the lower value."""
    folded = {key.casefold(): key for key in keys}
    alike = {}
    for value in values:
        starts = [key for name, key in folded.items() if value and name.startswith(value.casefold())]
        close = get_close_matches(value.casefold(), folded, n=1)
        if len(starts) == 1 or close:
            alike[value] = starts[0] if len(starts) == 1 else folded[close[0]]
    left = [key for key in keys if key not in alike.values()] or list(keys)
    left.sort(key=lambda key: _DENIES.match(key) is None)
    others = iter([value for value in values if value not in alike])
    given = {value: left[min(place, len(left) - 1)] for place, value in enumerate(others)}
    return [alike.get(value) or given[value] for value in values]


def _yaml(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
