"""KTO: one answer and whether it is wanted."""

from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.legal import SYSTEM_KEYS
from prep.sources.shapes.messages import json_of, read_turns, with_system
from prep.sources.shapes.prompt_completion import as_turns, pair_sample, prompt_turns
from prep.sources.shapes.sample import Sample, SampleShape, chat_sample
from prep.sources.strict_json import Keys
from templates.form import Form

_LABELS = {"true": "true", "false": "false", "1": "true", "0": "false"}


class Kto(RecordShape, SampleShape):
    """Records with a conversation (`messages`, `conversations`, or `prompt` and `completion`) and `label` (or `kto_tag`): is it wanted?

    Adds `turns`, the answer among them, and `label` as `true` or `false`.
    """

    name = "kto"
    reads = ("messages", "conversations", "prompt", "completion", "label", "kto_tag", *SYSTEM_KEYS)
    makes = ("turns", "label")
    keys = (
        ("prompt", "completion", "label"),
        ("prompt", "completion", "kto_tag"),
        ("messages", "kto_tag"),
        ("conversations", "kto_tag"),
    )
    precedence = 2

    def is_of_shape(self, record: Keys) -> bool:
        """Looks for a conversation and a truth value."""
        has_turns = record["messages"] or record["conversations"] or (record["prompt"] and record["completion"])
        label = record["label"] or record["kto_tag"]
        return bool(has_turns) and label is not None and label.lower() in {"true", "false"}

    def fields(self, record: Keys) -> dict[str, Any]:
        """Reads the conversation and the label."""
        label = record["label"] if record["label"] is not None else record["kto_tag"]
        if label is None or label.strip().lower() not in _LABELS:
            raise ValueError("its label is neither true nor false")
        name = next((name for name in ("messages", "conversations") if record[name]), None)
        if name is not None:
            turns = with_system(read_turns(json_of(record[name]), record, name), record)
        else:
            turns = prompt_turns(record, "prompt") + as_turns(record, "completion", "assistant")
        return {"turns": turns, "label": _LABELS[label.strip().lower()]}

    def sample(self, record: Keys, keys: tuple[str, ...]) -> Sample:
        """Reads the conversation; an answer that is not wanted is the one to avoid. With another label it is judged by nobody."""
        *names, label = keys
        sample = chat_sample(record, names[0]) if len(names) == 1 else pair_sample(record, names[0], names[1])
        wanted = record[label]
        if isinstance(wanted, bool):
            sample.form = Form.UNPAIRED
            if not wanted:
                sample.rejected, sample.rejected_field, sample.answer = sample.answer, sample.answer_field, None
        return sample
