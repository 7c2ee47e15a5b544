"""ShareGPT: `conversations`, each turn with `from` and `value`."""

from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.legal import SYSTEM_KEYS
from prep.sources.shapes.messages import are_turns, json_of, read_tools, read_turns, with_system
from prep.sources.shapes.sample import Sample, SampleShape, chat_sample
from prep.sources.strict_json import Keys


class ShareGpt(RecordShape, SampleShape):
    """Records with a list `conversations` of `{"from", "value"}`, and where there are any `system` and `tools`.

    Adds `turns`, the system text among them, and `tools`. Speakers keep their names: `human`, `gpt`, `function_call`, `observation`.
    """

    name = "sharegpt"
    reads = ("conversations", "conversation", *SYSTEM_KEYS, "tools")
    makes = ("turns", "tools")
    keys = (("conversations",),)
    precedence = 4

    def is_of_shape(self, record: Keys) -> bool:
        """Looks for the list."""
        return are_turns(json_of(record["conversations"] or record["conversation"]))

    def fields(self, record: Keys) -> dict[str, Any]:
        """Reads the turns and tools."""
        name = "conversations" if record["conversations"] else "conversation"
        turns = with_system(read_turns(json_of(record[name]), record, name), record)
        return {"turns": turns, "tools": read_tools(record["tools"])}

    def sample(self, record: Keys, keys: tuple[str, ...]) -> Sample:
        """Reads the chat."""
        record.ask("tools")
        return chat_sample(record, *keys)
