"""Preference pairs: `chosen` and `rejected` answers to one prompt."""

from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.messages import answer_text, are_turns, instruction_text, json_of, read_turns
from prep.sources.shapes.prompt_completion import as_turns, prompt_turns


class Dpo(RecordShape):
    """Records with `chosen` and `rejected` (or `chosen_messages` and `rejected_messages`) and what they answer.

    An answer is text, a message, or a whole conversation that ends on it; the prompt is `prompt` or `question` (text or messages),
    `conversations`, `messages`, an Alpaca `instruction` with its `input`, or what both conversations begin with. Adds `turns` (the
    prompt), and `chosen` and `rejected` as text.
    """

    name = "dpo"
    reads = (
        *("chosen", "rejected", "chosen_messages", "rejected_messages"),
        *("prompt", "question", "conversations", "messages", "instruction", "input", "system"),
    )
    makes = ("turns", "chosen", "rejected")

    def is_of_shape(self, record: dict[str, str | None]) -> bool:
        """Looks for two answers and a prompt."""
        chosen, rejected = _answers(record)
        has_prompt = any(record[name] for name in ("prompt", "question", "conversations", "messages", "instruction"))
        return bool(chosen and rejected) and (has_prompt or len(_messages(chosen)) > 1)

    def fields(self, record: dict[str, str | None]) -> dict[str, Any]:
        """Reads the prompt and the two answers."""
        chosen, rejected = (as_turns(text, "assistant") for text in _answers(record))
        num_shared = len(chosen) - 1
        if len(chosen) != len(rejected) or chosen[:-1] != rejected[:-1]:
            raise ValueError("its two answers do not follow one conversation")
        prompt = read_turns([*chosen[:-1]], record["system"]) if num_shared else _prompt(record)
        texts = answer_text(chosen[-1]), answer_text(rejected[-1])
        return {"turns": prompt, "chosen": texts[0], "rejected": texts[1]}


def _answers(record: dict[str, str | None]) -> tuple[str | None, str | None]:
    return record["chosen"] or record["chosen_messages"], record["rejected"] or record["rejected_messages"]


def _messages(text: str | None) -> list[Any]:
    value = json_of(text)
    return value if are_turns(value) else []


def _prompt(record: dict[str, str | None]) -> list[dict[str, Any]]:
    for name in ("conversations", "messages"):
        if record[name]:
            return read_turns(json_of(record[name]), record["system"])
    for name in ("prompt", "question"):
        if record[name]:
            return prompt_turns(record[name], record["system"])
    return prompt_turns(instruction_text(record["instruction"], record["input"]), record["system"])
