"""OpenAI's preference format: an input, a preferred and a non-preferred output."""

from typing import Any

from prep.source import to_text
from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.messages import answer_text, are_turns, json_of, read_tools, read_turns
from prep.sources.shapes.prompt_completion import as_turns


class OpenAiPreference(RecordShape):
    """Records with `input` (`{"messages", "tools"}`), `preferred_output` and `non_preferred_output`, or the older `..._completion` names.

    Adds `turns` (the prompt), `tools`, and `chosen` and `rejected` as text.
    """

    name = "openai-preference"
    reads = ("input", "preferred_output", "non_preferred_output", "preferred_completion", "non_preferred_completion")
    makes = ("turns", "tools", "chosen", "rejected")

    def is_of_shape(self, record: dict[str, str | None]) -> bool:
        """Looks for the input's messages and both outputs."""
        given = json_of(record["input"])
        return isinstance(given, dict) and are_turns(given.get("messages")) and all(_outputs(record))

    def fields(self, record: dict[str, str | None]) -> dict[str, Any]:
        """Reads the input and the two outputs."""
        given = json_of(record["input"])
        if not isinstance(given, dict):
            raise ValueError("its input is no object")
        turns = read_turns(given.get("messages"))
        answers = [as_turns(text, "assistant") for text in _outputs(record)]
        if any(len(answer) != 1 for answer in answers):
            raise ValueError("an output is more than one message")
        chosen, rejected = (answer_text(answer[0]) for answer in answers)
        return {"turns": turns, "tools": read_tools(to_text(given.get("tools"))), "chosen": chosen, "rejected": rejected}


def _outputs(record: dict[str, str | None]) -> tuple[str | None, str | None]:
    preferred = record["preferred_output"] or record["preferred_completion"]
    return preferred, record["non_preferred_output"] or record["non_preferred_completion"]
