"""ShareGPT: `conversations`, each turn with `from` and `value`."""

from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.messages import are_turns, json_of, read_tools, read_turns


class ShareGpt(RecordShape):
    """Records with a list `conversations` of `{"from", "value"}`, and where there are any `system` and `tools`.

    Adds `turns`, the system text among them, and `tools`. Speakers keep their names: `human`, `gpt`, `function_call`, `observation`.
    """

    name = "sharegpt"
    reads = ("conversations", "conversation", "system", "tools")
    makes = ("turns", "tools")

    def is_of_shape(self, record: dict[str, str | None]) -> bool:
        """Looks for the list."""
        return are_turns(json_of(record["conversations"] or record["conversation"]))

    def fields(self, record: dict[str, str | None]) -> dict[str, Any]:
        """Reads the turns and tools."""
        turns = read_turns(json_of(record["conversations"] or record["conversation"]), record["system"])
        return {"turns": turns, "tools": read_tools(record["tools"])}
