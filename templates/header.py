"""The front matter of a template file."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from templates.values import InputType

FactKind = Literal["code", "customer", "money", "percent", "date", "time", "dose", "number"]
MAX_SHOTS = 64


_NAME = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)*")


def _template_name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError("write lower-case letters, digits, '-' and '_', with '/' between folders: mine/mood")
    return name


def _as_text(value: Any) -> Any:
    """A number stands for its own digits: `version: 1` is what people write."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _as_words(value: Any) -> Any:
    """One word stands for a list of it."""
    return [value] if isinstance(value, str) else value


def _kind_of_words(value: Any) -> str:
    return "by language" if isinstance(value, dict) else "words"


Words = Annotated[tuple[str, ...], BeforeValidator(_as_words)]
# Told apart by their shape, so that an error speaks of the shape that was written.
LabelWords = Annotated[
    Annotated[Words, Tag("words")] | Annotated[dict[str, Words], Tag("by language")],
    Discriminator(_kind_of_words),
]


class Example(BaseModel):
    """A row and what it must render to: documentation that is tested."""

    model_config = ConfigDict(extra="forbid")
    fields: dict[str, Any]
    renders: dict[str, Any]


class TemplateHeader(BaseModel):
    """The front matter of a template file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, AfterValidator(_template_name)]
    """`domain/name`, as configs write it."""
    inputs: dict[str, InputType]
    """Fields that the body uses, and their types."""
    optional: tuple[str, ...] = ()
    """Inputs that a row may lack: missing or blank, they are an empty text or list."""
    version: Annotated[str, BeforeValidator(_as_text)] = "1"
    """Raised when the rendering changes."""
    task: str = ""
    """What the model learns, in a few words."""
    description: str = ""
    """One sentence for `prep templates list`."""
    language: str = ""
    """Language code of the template's own words."""
    verbalizer: dict[str, LabelWords] = {}
    """Label key -> the word that the model says, or several, the trained one first; or those by language code."""
    mask: str = Field(default="[MASK]", min_length=1)
    """What stands in a cloze where the word belongs."""
    wanted: str = ""
    """The input of type bool that says whether people want the answer that ends the chat: the form `unpaired`."""
    shots: int = Field(default=0, ge=0, le=MAX_SHOTS)
    """Demonstrations from the train split that `shots` holds."""
    metrics: tuple[str, ...] = ()
    """Metric ids that suit the task; empty means the defaults of its form."""
    keep: tuple[FactKind, ...] = ()
    """Kinds of fact that the answer must keep."""
    answer_schema: dict[str, Any] = {}
    """JSON Schema of the answer, where it is JSON: what the metric `json_schema_valid` holds it against."""
    example: Example | None = None
    """A row and what it renders to."""
    examples: tuple[Example, ...] = ()
    """More of them."""
