"""A conversation from a file, to go on from."""

import json
from pathlib import Path
from typing import Any

from loopwright.errors import UserError
from loopwright.files import is_utf8, read_json, require_file
from templates.chat import Message

_ROLES = ("system", "user", "assistant")
_FORM = 'A message is {"role": "user", "content": "..."}; the file is a JSON list of them, or one a line.'


def read_messages(path: Path) -> list[Message]:
    """Reads messages: a JSON list, an object with `messages`, or JSON Lines with a message a line.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    require_file(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the file: {error}", str(path), "Check the path and its permissions.") from error
    found = _parsed(text, path)
    if not isinstance(found, list) or not found:
        raise UserError("the file holds no messages", str(path), _FORM)
    return [_message(one, f"{path}: messages[{place}]", place) for place, one in enumerate(found)]


def _parsed(text: str, path: Path) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
        if len(lines) < 2:
            return read_json(path)  # which says what is wrong
        return [_line(line, f"{path}:{number}") for number, line in lines]
    if isinstance(found, dict):
        return found.get("messages", [found])
    return found


def _line(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not valid JSON: {error}", where, _FORM) from error


def _message(one: Any, where: str, place: int) -> Message:
    if not isinstance(one, dict) or not isinstance(one.get("role"), str) or not isinstance(one.get("content"), str):
        raise UserError("this is no message with a role and a text", where, _FORM)
    if one["role"] not in _ROLES or (one["role"] == "system" and place):
        cause = f"a message of the role '{one['role']}' cannot stand here"
        raise UserError(cause, where, "A system message comes first, if there is one; all others are of 'user' or 'assistant'.")
    if not is_utf8(one["content"]):
        raise UserError("the text holds half a character", where, "Mend it.")
    return {"role": one["role"], "content": one["content"]}
