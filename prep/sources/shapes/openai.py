"""OpenAI's chat format: `messages`, each with `role` and `content`."""

from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.legal import SYSTEM_KEYS
from prep.sources.shapes.messages import are_turns, json_of, read_tools, read_turns, with_system
from prep.sources.shapes.sample import Sample, SampleShape, chat_sample
from prep.sources.strict_json import Keys


class OpenAi(RecordShape, SampleShape):
    """Records with a list `messages` of `{"role", "content"}`, and where there are any `tools` (or the older `functions`) and `system`.

    Adds `turns` and `tools`. Content may be text or typed parts; `weight` (also as `loss_weight` or `train`), tool calls, their ids, names
    and refusals stay with their turn, and so does reasoning (`reasoning_content`, `reasoning`, `thinking`). A `system` text beside the list
    (also as `system_prompt` or `system_message`) becomes its first message, unless the list has one.
    """

    name = "openai"
    reads = ("messages", "tools", "functions", *SYSTEM_KEYS)
    makes = ("turns", "tools")
    keys = (("messages",),)
    precedence = 3

    def is_of_shape(self, record: Keys) -> bool:
        """Looks for the list."""
        return are_turns(json_of(record["messages"]))

    def fields(self, record: Keys) -> dict[str, Any]:
        """Reads the turns and tools."""
        turns = with_system(read_turns(json_of(record["messages"]), record, "messages"), record)
        return {"turns": turns, "tools": read_tools(record["tools"] or record["functions"])}

    def sample(self, record: Keys, keys: tuple[str, ...]) -> Sample:
        """Reads the chat."""
        record.ask("tools", "functions")
        return chat_sample(record, *keys)
