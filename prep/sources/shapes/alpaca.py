"""Alpaca: `instruction`, `input`, `output`."""

from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.legal import SYSTEM_KEYS
from prep.sources.shapes.messages import instruction_text, json_of, with_system
from prep.sources.shapes.sample import Sample, SampleShape
from prep.sources.strict_json import Keys
from templates.form import Form


class Alpaca(RecordShape, SampleShape):
    """Records with `instruction`, `input` (may be blank) and `output`, and where there are any `system` and `history`.

    Adds `instruction`, `input`, `output` and `turns`, in which the input stands below its instruction. `context` and `response`, as Dolly
    calls them, are taken for input and output.
    """

    name = "alpaca"
    reads = ("instruction", "input", "context", "output", "response", *SYSTEM_KEYS, "history")
    makes = ("instruction", "input", "output", "turns")
    only_in_turns = (*SYSTEM_KEYS, "history")
    keys = (("instruction", "output"), ("instruction", "context", "response"))  # the second as Databricks' Dolly has it
    precedence = 6

    def is_of_shape(self, record: Keys) -> bool:
        """Looks for an instruction and an output."""
        return record["instruction"] is not None and (record["output"] is not None or record["response"] is not None)

    def fields(self, record: Keys) -> dict[str, Any]:
        """Reads the instruction, the answer, and the turns before them."""
        more = record["input"] if record["input"] is not None else record["context"]
        output = record["output"] if record["output"] is not None else record["response"]
        if output is None:
            raise ValueError("it has no output")
        question = instruction_text(record["instruction"], more)
        turns = []
        for pair in _history(record["history"]):
            turns += [{"role": "user", "text": pair[0]}, {"role": "assistant", "text": pair[1]}]
        turns += [{"role": "user", "text": question}, {"role": "assistant", "text": output}]
        return {"instruction": record["instruction"], "input": more or "", "output": output, "turns": with_system(turns, record)}

    def sample(self, record: Keys, keys: tuple[str, ...]) -> Sample:
        """Reads the instruction, its input and the answer."""
        completion = keys[-1]
        name = "input" if completion == "output" else "context"
        sample = Sample(Form.VERBALIZER, answer_field=completion)
        instruction = sample.text("instruction", record["instruction"])
        given = sample.text(name, record[name])
        # With an input the instruction is the task, the same for many rows; without one it is the question.
        sample.input, sample.input_field = (given, name) if given else (instruction, "instruction")
        if given:
            sample.system, sample.system_field, sample.task = instruction, "instruction", instruction
            record.ask(*SYSTEM_KEYS)
        else:
            sample.take_system(record)
        sample.answer = sample.answer_text(completion, record[completion])
        return sample


def _history(text: str | None) -> list[list[str]]:
    history = json_of(text) if text and text.strip() else []
    if not isinstance(history, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair) for pair in history
    ):
        raise ValueError("its history is no list of pairs of texts")
    return history
