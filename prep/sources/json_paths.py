"""Where things stand within a JSON value, and how a stranger's words are shown."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_PLAIN_KEY = re.compile(r"[\w-]{1,60}")
_SHOWN_CHARACTERS = 60
# Made once: json.dumps would make one a value.
_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields a value and all within it, each with its path, without recursion: the depth is the file's to choose."""
    stack = [(path, value)]
    while stack:
        where, one = stack.pop()
        yield where, one
        if isinstance(one, dict):
            stack.extend((join(where, str(key)), child) for key, child in reversed(one.items()))
        elif isinstance(one, list):
            stack.extend((f"{where}[{index}]", child) for index, child in reversed(list(enumerate(one))))


def join(path: str, key: str) -> str:
    """Returns the path of a key within what lies at `path`; a key that is no plain word is quoted, and cut where it is long."""
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{shown(key)}]"
    return f"{path}.{key}" if path else key


@lru_cache(maxsize=1024)
def key_path(key: str, holder: str = "") -> str:
    """Returns the path of a key, as `join`, of those that rows share: it is worked out once."""
    return join(holder, key)


def shown(text: str) -> str:
    """Returns a stranger's text as messages show it: quoted, on one line, no longer than can be read."""
    return json.dumps(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...", ensure_ascii=False)


def depth_of(value: Any) -> int:
    """Returns how many lists and objects stand one in the other."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, (dict, list))]:
        depth += 1
        level = [child for one in level for child in (one.values() if isinstance(one, dict) else one)]
    return depth


def canonical_json(value: Any) -> str:
    """Returns a value as compact JSON with its keys in order: the same for all ways to write it."""
    return _CANONICAL.encode(value)
