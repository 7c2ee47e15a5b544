"""OpenAI's preference format: an input, a preferred and a non-preferred output."""

from typing import Any

from prep.sources.list_columns import OLD_OUTPUTS, OUTPUTS
from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.legal import INPUT_KEYS
from prep.sources.shapes.messages import answer_text, are_turns, json_of, read_tools, read_turns
from prep.sources.shapes.prompt_completion import as_turns
from prep.sources.shapes.sample import Sample, SampleShape, preference_sample
from prep.sources.source import to_text
from prep.sources.strict_json import Keys


class OpenAiPreference(RecordShape, SampleShape):
    """Records with `input` (`{"messages", "tools"}`), `preferred_output` and `non_preferred_output`, or the older `..._completion` names.

    Adds `turns` (the prompt), `tools`, and `chosen` and `rejected` as text.
    """

    name = "openai-preference"
    reads = ("input", *OUTPUTS, *OLD_OUTPUTS)
    makes = ("turns", "tools", "chosen", "rejected")
    keys = (("input", *OUTPUTS), ("input", *OLD_OUTPUTS))
    precedence = 1

    def is_of_shape(self, record: Keys) -> bool:
        """Looks for the input's messages and both outputs."""
        given = json_of(record["input"])
        return isinstance(given, dict) and are_turns(given.get("messages")) and all(record[name] for name in _outputs(record))

    def fields(self, record: Keys) -> dict[str, Any]:
        """Reads the input and the two outputs."""
        given = json_of(record["input"])
        if not isinstance(given, dict):
            raise ValueError("its input is no object")
        turns = read_turns(given.get("messages"), record, "input.messages")
        answers = [as_turns(record, name, "assistant") for name in _outputs(record)]
        if any(len(answer) != 1 for answer in answers):
            raise ValueError("an output is more than one message")
        record.leave(f"input.{key}" for key, value in given.items() if value is not None and key not in INPUT_KEYS)
        chosen, rejected = (answer_text(answer[0]) for answer in answers)
        return {"turns": turns, "tools": read_tools(to_text(given.get("tools"))), "chosen": chosen, "rejected": rejected}

    def sample(self, record: Keys, keys: tuple[str, ...]) -> Sample:
        """Reads the input and the two outputs."""
        return preference_sample(record, keys)


def _outputs(record: Keys) -> tuple[str, str]:
    """Returns the names of the two outputs."""
    preferred, other = (new if record[new] else old for old, new in OLD_OUTPUTS.items())
    return preferred, other
