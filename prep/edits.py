"""Edits of the texts in a row's fields."""

from collections.abc import Callable, Mapping
from typing import Any


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
