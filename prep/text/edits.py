"""Edits of the texts in a row's fields."""

import re
from collections.abc import Callable, Mapping
from typing import Any

# Characters on either side by which a place is told from others; without them it has to be the only one.
_AROUND = (40, 12, 0)


def edit_texts(fields: Mapping[str, Any], repair: Callable[[str], str]) -> dict[str, Any]:
    """Returns the fields that a repair changes, with their new values; texts within lists and objects are repaired too."""

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return repair(value)
        if isinstance(value, list):
            return [walk(item) for item in value]
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        return value

    repaired = {name: walk(value) for name, value in fields.items()}
    return {name: value for name, value in repaired.items() if value != fields[name]}


def replace_span(fields: Mapping[str, Any], text: str, span: tuple[int, int], new: str) -> dict[str, str]:
    """Returns the field from which a span of a rendered text comes, with other words in its place; nothing where that is not certain.

    Args:
        fields: the row's fields.
        text: what a template made of them.
        span: `[start, end)` in the text, of whole words.
        new: what is to stand there.
    """
    start, end = span
    for around in _AROUND:
        before, after = text[max(start - around, 0) : start], text[end : end + around]
        words = re.compile(rf"(?<={re.escape(before)})(?<!\w){re.escape(text[start:end])}(?!\w)(?={re.escape(after)})")
        texts = {name: value for name, value in fields.items() if isinstance(value, str)}
        places = [(name, match) for name, value in texts.items() for match in words.finditer(value)]
        if places:  # with less around it, there are no fewer
            (name, match), *others = places
            return {} if others else {name: texts[name][: match.start()] + new + texts[name][match.end() :]}
    return {}
