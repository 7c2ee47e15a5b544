"""Our own verbalizer form: a prompt with its choices, and which of them is right."""

import json

from prep.sources.shapes.sample import Sample, SampleShape, dump
from prep.sources.strict_json import Keys
from templates.form import Form


class Choices(SampleShape):
    """Records with `prompt`, `choices`, and where there are any `label` (an index into them) and `target`."""

    name = "choices"
    keys = (("prompt", "choices"),)
    precedence = 5

    def sample(self, record: Keys, keys: tuple[str, ...]) -> Sample:  # noqa: ARG002 (they are always the same)
        """Reads the prompt and the right choice."""
        sample = Sample(Form.VERBALIZER, answer_field="target")
        sample.set_prompt("prompt", record["prompt"])
        choices, label = record["choices"], record["label"]
        if not isinstance(choices, list) or not choices or not all(isinstance(choice, str) for choice in choices):
            sample.problem("choices", "'choices' is not a list of words")
            choices = []
        elif not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < len(choices):
            sample.problem("label", "'label' is {}, not an index into the " + f"{len(choices)} choices", dump(label))
        else:
            sample.label = choices[label]
        sample.answer = sample.text("target", record.get("target", sample.label))
        if sample.label is not None and not sample.answer.endswith(sample.label):
            sample.problem("target", "'target' does not end on the choice that 'label' names")
        sample.task = json.dumps(choices)
        return sample
