"""Prompt and completion, plain or as messages."""

from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.messages import are_turns, json_of, read_turns


class PromptCompletion(RecordShape):
    """Records with `prompt` and `completion`, both text or both lists of messages. Adds `turns`."""

    name = "prompt-completion"
    reads = ("prompt", "completion", "system")
    makes = ("turns",)

    def is_of_shape(self, record: dict[str, str | None]) -> bool:
        """Looks for both."""
        return bool(record["prompt"] and record["completion"])

    def fields(self, record: dict[str, str | None]) -> dict[str, Any]:
        """Puts the two together."""
        return {"turns": prompt_turns(record["prompt"], record["system"]) + as_turns(record["completion"], "assistant")}


def prompt_turns(text: str | None, system: str | None) -> list[dict[str, Any]]:
    """Returns the turns of a prompt.

    Raises:
        ValueError: there is none.
    """
    turns = as_turns(text, "user")
    if system and system.strip() and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "text": system})
    return turns


def as_turns(text: str | None, role: str) -> list[dict[str, Any]]:
    """Returns the turns of a text: those of the message or messages that it is the JSON of, else itself as one turn.

    Raises:
        ValueError: there is none.
    """
    if text is None or not text.strip():
        raise ValueError(f"it has no text of the {role}")
    value = json_of(text)
    messages = [value] if isinstance(value, dict) else value
    # An answer may well be JSON itself.
    return read_turns(messages) if are_turns(messages) else [{"role": role, "text": text}]
