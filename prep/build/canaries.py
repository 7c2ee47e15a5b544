"""Planting canaries: examples beside those of the sources, in train alone, in the forms that the dataset's templates give."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from loopwright.errors import UserError
from prep.config import BuildConfig
from prep.dataset.canaries import SOURCE, CanaryInfo, question_about, sentence_about
from prep.dataset.manifest import has_form
from prep.dataset.schema import EXAMPLE_SCHEMA
from templates.form import Form
from templates.template import Template

_EXAMPLE_SCHEMA = {name: dtype for name, dtype in EXAMPLE_SCHEMA.items() if name != "position"}
# Two answers of a pair, and an answer that is judged, are no text to be kept word for word; a blank is one word.
_PLANTED = (Form.CHAT, Form.VERBALIZER, Form.COMPLETION)


class Planter:
    """Makes the canaries of a build once the other rows are rendered.

    Attributes:
        info: what the manifest says of them.
        template: the template whose place they take.
        forms: the forms that they have.
    """

    def __init__(self, info: CanaryInfo, template: Template, forms: list[Form]) -> None:
        self.info = info
        self.template = template
        self.forms = forms
        self._system: str | None = None
        self._has_looked = Form.CHAT not in forms

    @classmethod
    def of(cls, config: BuildConfig, templates: Sequence[Template], outputs: Sequence[Form], where: str) -> "Planter | None":
        """Returns what plants the canaries that a config asks for; None where it asks for none.

        Raises:
            UserError: no template gives a form in which they can be planted.
        """
        if not config.canaries:
            return None
        for template in templates:
            forms = [form for form in _PLANTED if form in template.forms and form in outputs and not _is_cloze(form, template)]
            if forms:
                return cls(CanaryInfo.of(config.canaries, config.name, config.split.seed), template, forms)
        cause = "canaries are planted into chats, prompts and texts, and no output of this config is made of any"
        raise UserError(cause, f"{where}: canaries", "Leave 'canaries' out, or add a template that gives one of them.")

    def look(self, examples: pl.DataFrame) -> None:
        """Takes the system message from the first chat that is rendered: a canary is to be a chat like the others."""
        if self._has_looked:
            return
        chats = examples.filter(has_form(Form.CHAT), pl.col("messages").list.len() > 0).head(1)
        for (messages,) in chats.select("messages").iter_rows():
            self._has_looked = True
            self._system = messages[0]["content"] if messages[0]["role"] == "system" else None

    def examples(self) -> pl.DataFrame:
        """Returns the canaries with `EXAMPLE_SCHEMA`, but for their position."""
        rows = [self._example(number) for number in range(1, self.info.count + 1)]
        return pl.DataFrame(rows, schema=_EXAMPLE_SCHEMA, orient="row")

    def _example(self, number: int) -> dict[str, Any]:
        info = self.info
        unit, secret, row_id = info.unit(number), info.secret(number), info.row_id(number)
        return {
            **dict.fromkeys(_EXAMPLE_SCHEMA),
            "id": f"{row_id}/{self.template.name}/0",
            "row_id": row_id,
            "source": SOURCE,
            "line": number,
            "split": "train",
            "template": self.template.name,
            "forms": [str(form) for form in Form if form in self.forms],
            "fields": "{}",
            **self._parts(unit, secret),
        }

    def _parts(self, unit: str, secret: str) -> dict[str, Any]:
        """Returns a canary in each of its forms."""
        parts: dict[str, Any] = {}
        if Form.CHAT in self.forms:
            system = [] if self._system is None else [{"role": "system", "content": self._system}]
            asked = {"role": "user", "content": question_about(unit)}
            parts["messages"] = [*system, asked, {"role": "assistant", "content": secret}]
        if Form.VERBALIZER in self.forms:
            parts |= {"prompt": f"{question_about(unit)}\nAnswer:", "target": f" {secret}"}
        if Form.COMPLETION in self.forms:
            parts["text"] = f"{sentence_about(unit)} {secret}"
        return parts


def _is_cloze(form: Form, template: Template) -> bool:
    return form is Form.VERBALIZER and "cloze" in template.tags
