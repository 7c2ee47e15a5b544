"""Prompt and completion, plain or as messages."""

from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.legal import SYSTEM_KEYS
from prep.sources.shapes.messages import are_turns, json_of, read_turns, with_system
from prep.sources.shapes.sample import Sample, SampleShape
from prep.sources.strict_json import Keys
from templates.form import Form

# Prompt and completion under the names that data sets give them, the longest known first; a build reads the others as columns.
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("instruction", "response"),
    ("question", "answer"),
    ("query", "response"),
    ("input", "output"),
    ("text", "label"),
    ("text", "summary"),
)


class PromptCompletion(RecordShape, SampleShape):
    """Records with `prompt` and `completion`, both text or both lists of messages. Adds `turns`."""

    name = "prompt-completion"
    reads = ("prompt", "completion", *SYSTEM_KEYS)
    makes = ("turns",)
    keys = PAIRS
    precedence = 7

    def is_of_shape(self, record: Keys) -> bool:
        """Looks for both."""
        return bool(record["prompt"] and record["completion"])

    def fields(self, record: Keys) -> dict[str, Any]:
        """Puts the two together."""
        return {"turns": prompt_turns(record, "prompt") + as_turns(record, "completion", "assistant")}

    def sample(self, record: Keys, keys: tuple[str, ...]) -> Sample:
        """Reads the two."""
        return pair_sample(record, *keys)


def pair_sample(record: Keys, prompt: str, completion: str) -> Sample:
    """Returns what a prompt and its completion say, by the names that they have."""
    sample = Sample(Form.VERBALIZER, answer_field=completion)
    sample.set_prompt(prompt, record[prompt])
    sample.take_system(record)
    sample.answer = sample.answer_text(completion, record[completion])
    return sample


def prompt_turns(record: Keys, name: str) -> list[dict[str, Any]]:
    """Returns the turns of a prompt.

    Raises:
        ValueError: there is none.
    """
    return with_system(as_turns(record, name, "user"), record)


def as_turns(record: Keys, name: str, role: str) -> list[dict[str, Any]]:
    """Returns the turns of a field: those of the message or messages that it is the JSON of, else its text as one turn.

    Raises:
        ValueError: there is none.
    """
    text = record[name]
    if text is None or not text.strip():
        raise ValueError(f"it has no text of the {role}")
    return text_turns(text, role, record, name)


def text_turns(text: str, role: str, record: Keys, name: str) -> list[dict[str, Any]]:
    """Returns the turns of a text of a field, as `as_turns`."""
    value = json_of(text)
    messages = [value] if isinstance(value, dict) else value
    # An answer may well be JSON itself.
    return read_turns(messages, record, name) if are_turns(messages) else [{"role": role, "text": text}]
