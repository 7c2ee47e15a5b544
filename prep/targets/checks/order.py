"""Rules for the order of roles."""

from itertools import pairwise
from typing import Any

from prep.targets.checks.rules import Findings

Messages = list[tuple[str, dict[str, Any]]]


def no_consecutive_assistants(messages: Messages, found: Findings) -> None:
    """No assistant message follows another."""
    for (_, before), (path, message) in pairwise(messages):
        if before.get("role") == message.get("role") == "assistant":
            found.error(f"{path}.role", "roles.consecutive_assistant", "an assistant message follows another")


def system_first(messages: Messages, found: Findings) -> None:
    """A system message is the first."""
    for path, message in messages[1:]:
        if message.get("role") == "system":
            found.error(f"{path}.role", "roles.system_first", "a system message is the first or is not there")


def strict_alternation(messages: Messages, found: Findings) -> None:
    """One system message or none, then user and assistant in turns; tool messages stand between a call and what follows it.

    The first message out of turn is reported; those after it would all be out of turn as well.
    """
    expected = {"system", "user"}
    for path, message in messages:
        role = message.get("role")
        if role not in expected:
            found.error(f"{path}.role", "roles.alternation", f"expected {' or '.join(sorted(expected))} here")
            return
        if role == "assistant":
            expected = {"tool"} if message.get("tool_calls") else {"user"}
        elif role == "tool":
            expected = {"tool", "assistant"}
        else:
            expected = {"user"} if role == "system" else {"assistant"}
