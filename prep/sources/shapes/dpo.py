"""Preference pairs: `chosen` and `rejected` answers to one prompt."""

from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.legal import SYSTEM_KEYS
from prep.sources.shapes.messages import answer_text, are_turns, instruction_text, json_of, read_turns, with_system
from prep.sources.shapes.prompt_completion import as_turns, prompt_turns, text_turns
from prep.sources.shapes.sample import Sample, SampleShape, preference_sample
from prep.sources.strict_json import Keys


class Dpo(RecordShape, SampleShape):
    """Records with `chosen` and `rejected` (or `chosen_messages` and `rejected_messages`) and what they answer.

    An answer is text, a message, or a whole conversation that ends on it; the prompt is `prompt` or `question` (text or messages),
    `conversations`, `messages`, an Alpaca `instruction` with its `input`, or what both conversations begin with. Adds `turns` (the
    prompt), and `chosen` and `rejected` as text.
    """

    name = "dpo"
    reads = (
        *("chosen", "rejected", "chosen_messages", "rejected_messages"),
        *("prompt", "question", "conversations", "messages", "instruction", "input", *SYSTEM_KEYS),
    )
    makes = ("turns", "chosen", "rejected")
    keys = (
        *((prompt, "chosen", "rejected") for prompt in ("prompt", "conversations", "messages", "question", "instruction")),
        ("chosen", "rejected"),
        ("chosen_messages", "rejected_messages"),
    )
    precedence = 2

    def is_of_shape(self, record: Keys) -> bool:
        """Looks for two answers and a prompt."""
        chosen, rejected = (record[name] for name in _answers(record))
        has_prompt = any(record[name] for name in ("prompt", "question", "conversations", "messages", "instruction"))
        return bool(chosen and rejected) and (has_prompt or len(_messages(chosen)) > 1)

    def fields(self, record: Keys) -> dict[str, Any]:
        """Reads the prompt and the two answers."""
        chosen, rejected = (as_turns(record, name, "assistant") for name in _answers(record))
        num_shared = len(chosen) - 1
        if len(chosen) != len(rejected) or chosen[:-1] != rejected[:-1]:
            raise ValueError("its two answers do not follow one conversation")
        prompt = with_system(chosen[:-1], record) if num_shared else _prompt(record)
        texts = answer_text(chosen[-1]), answer_text(rejected[-1])
        return {"turns": prompt, "chosen": texts[0], "rejected": texts[1]}

    def sample(self, record: Keys, keys: tuple[str, ...]) -> Sample:
        """Reads the prompt and the two answers."""
        return preference_sample(record, keys)


def _answers(record: Keys) -> tuple[str, str]:
    """Returns the names of the two answers."""
    chosen, rejected = (name if record[name] else f"{name}_messages" for name in ("chosen", "rejected"))
    return chosen, rejected


def _messages(text: str | None) -> list[Any]:
    value = json_of(text)
    return value if are_turns(value) else []


def _prompt(record: Keys) -> list[dict[str, Any]]:
    for name in ("conversations", "messages"):
        if record[name]:
            return with_system(read_turns(json_of(record[name]), record, name), record)
    for name in ("prompt", "question"):
        if record[name]:
            return prompt_turns(record, name)
    question = instruction_text(record["instruction"], record["input"])
    return with_system(text_turns(question, "user", record, "instruction"), record)
