"""Plain text to continue."""

from prep.sources.shapes.sample import Sample, SampleShape
from prep.sources.strict_json import Keys
from templates.form import Form


class PlainText(SampleShape):
    """Records with `text`, all of which is learned."""

    name = "text"
    keys = (("text",),)
    precedence = 8

    def sample(self, record: Keys, keys: tuple[str, ...]) -> Sample:  # noqa: ARG002 (there is one)
        """Reads the text."""
        sample = Sample(Form.COMPLETION, answer_field="text")
        sample.answer = sample.text("text", record["text"])
        return sample
