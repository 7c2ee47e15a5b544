"""Alpaca: `instruction`, `input`, `output`."""

from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.messages import instruction_text, json_of


class Alpaca(RecordShape):
    """Records with `instruction`, `input` (may be blank) and `output`, and where there are any `system` and `history`.

    Adds `instruction`, `input`, `output` and `turns`, in which the input stands below its instruction. `context` and `response`, as Dolly
    calls them, are taken for input and output.
    """

    name = "alpaca"
    reads = ("instruction", "input", "context", "output", "response", "system", "history")
    makes = ("instruction", "input", "output", "turns")

    def is_of_shape(self, record: dict[str, str | None]) -> bool:
        """Looks for an instruction and an output."""
        return record["instruction"] is not None and (record["output"] is not None or record["response"] is not None)

    def fields(self, record: dict[str, str | None]) -> dict[str, Any]:
        """Reads the instruction, the answer, and the turns before them."""
        more = record["input"] if record["input"] is not None else record["context"]
        output = record["output"] if record["output"] is not None else record["response"]
        if output is None:
            raise ValueError("it has no output")
        question = instruction_text(record["instruction"], more)
        turns = [{"role": "system", "text": record["system"]}] if record["system"] and record["system"].strip() else []
        for pair in _history(record["history"]):
            turns += [{"role": "user", "text": pair[0]}, {"role": "assistant", "text": pair[1]}]
        turns += [{"role": "user", "text": question}, {"role": "assistant", "text": output}]
        return {"instruction": record["instruction"], "input": more or "", "output": output, "turns": turns}


def _history(text: str | None) -> list[list[str]]:
    history = json_of(text) if text and text.strip() else []
    if not isinstance(history, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair) for pair in history
    ):
        raise ValueError("its history is no list of pairs of texts")
    return history
