"""OpenAI's chat format: `messages`, each with `role` and `content`."""

from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.messages import are_turns, json_of, read_tools, read_turns


class OpenAi(RecordShape):
    """Records with a list `messages` of `{"role", "content"}`, and where there are any `tools` (or the older `functions`) and `system`.

    Adds `turns` and `tools`. Content may be text or typed parts; `weight` (also as `loss_weight` or `train`), tool calls, their ids, names
    and refusals stay with their turn.
    """

    name = "openai"
    reads = ("messages", "tools", "functions", "system")
    makes = ("turns", "tools")

    def is_of_shape(self, record: dict[str, str | None]) -> bool:
        """Looks for the list."""
        return are_turns(json_of(record["messages"]))

    def fields(self, record: dict[str, str | None]) -> dict[str, Any]:
        """Reads the turns and tools."""
        turns = read_turns(json_of(record["messages"]), record["system"])
        return {"turns": turns, "tools": read_tools(record["tools"] or record["functions"])}
