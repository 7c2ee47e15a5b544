"""The examples of a split as evaluation sees them."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from loopwright.errors import UserError
from loopwright.hashing import hash_text
from templates.calls import ToolCall, with_calls
from templates.form import JUDGED, Form

if TYPE_CHECKING:  # every metric imports this module, and none of them needs these
    import polars as pl

    from prep.dataset.manifest import Dataset
    from prep.dataset.splits import SplitName
    from templates.chat import Message


class Task(StrEnum):
    """What is asked of a model for an example."""

    CLASSIFICATION = "classification"
    GENERATION = "generation"
    TEXT = "text"
    PREFERENCE = "preference"
    UNPAIRED = "unpaired"

    @property
    def meaning(self) -> str:
        """What such examples are, in words."""
        return _MEANINGS[self]


_MEANINGS = {
    Task.CLASSIFICATION: "choices",
    Task.GENERATION: "written answers",
    Task.TEXT: "plain texts",
    Task.PREFERENCE: "pairs of answers",
    Task.UNPAIRED: "judged answers",
}

_MADE = {"messages", "words", "tools", "schema", "rejected", "num_shown"}  # what a row has that no column holds as it is

ASKED = frozenset({Task.CLASSIFICATION, Task.GENERATION})
"""The tasks of examples that ask for an answer; those of the others are read."""
RANKED = frozenset({Task.PREFERENCE, Task.UNPAIRED})
"""The tasks of answers that people judge, which a model ranks."""


@dataclass(frozen=True, slots=True)
class EvalRow:
    """One example.

    Attributes:
        id: joins predictions, failures and the training ledger.
        row_id: joins fixes.
        source: the raw file.
        line: 1-based line of the raw record.
        group: rows of one group are not independent of each other.
        split: train, validation or test.
        template: the template that rendered it.
        label: index into choices.
        choices: the word that is trained for each label; None asks for free text.
        messages: the chat, its answer included, where the example has that form.
        prompt: raw text, where it has the verbalizer form.
        target: the literal text after `prompt`, ending on the right choice; of a cloze, the word for its mask.
        mask: the text in `prompt`, once, in whose place the answer belongs, where the example is a cloze.
        words: all words that say each choice, the choice itself first; None where there are no choices.
        tools: the tools that the chat may call.
        schema: JSON Schema of the answer, where its template says one.
        text: a document, where the example has one.
        rejected: the chat that ends on the other answer, where the example is a pair; `messages` ends on the preferred one then.
        wanted: whether people want the answer that ends `messages`, where it is judged by itself.
        num_shown: the messages behind the system message that are demonstrations, and no part of the example.
    """

    id: str
    row_id: str
    source: str
    line: int
    group: str | None
    split: str
    template: str
    label: int | None
    choices: list[str] | None
    messages: "list[Message] | None"
    prompt: str | None
    target: str | None
    mask: str | None = None
    words: tuple[tuple[str, ...], ...] | None = None
    tools: list[dict[str, Any]] | None = None
    schema: dict[str, Any] | None = None
    text: str | None = None
    rejected: "list[Message] | None" = None
    wanted: bool | None = None
    num_shown: int = 0

    @property
    def task(self) -> Task:
        """Choosing between choices or writing; else, of what is not asked but read, ranking answers or a plain text."""
        if self.choices is not None:
            return Task.CLASSIFICATION
        if self.rejected is not None:
            return Task.PREFERENCE
        if self.wanted is not None:
            return Task.UNPAIRED
        return Task.TEXT if self.text is not None and self.messages is None else Task.GENERATION

    @property
    def reference(self) -> str:
        """The right answer: the choice's word, or the text of the last message, its calls behind it as a JSON list."""
        if self.choices is not None:
            return self.choices[self.label] if self.label is not None else ""
        said = (self.messages[-1]["content"] or "") if self.messages else ""
        return with_calls(said, self.calls) if self.calls else said

    @property
    def calls(self) -> tuple[ToolCall, ...] | None:
        """The calls of tools that the answer has to make; empty where it could and must not, None where nothing says of tools."""
        made = self.messages[-1].get("tool_calls") if self.messages and self.choices is None else None
        if made:
            return ToolCall.of_message(made)
        return () if self.tools and self.choices is None else None

    @property
    def cluster(self) -> str:
        """What is resampled as a whole: the group, else the raw row (it can render to several examples)."""
        # The kind stands first: a group that is called like a row id must not merge with that row.
        return f"group:{self.group}" if self.group is not None else f"row:{self.row_id}"

    @property
    def input_text(self) -> str:
        """All that is given to the model, without roles and without its answers."""
        return self._text_without("assistant")

    @property
    def question(self) -> str:
        """What is asked about, without the system message: that is the same for all and would make all examples look alike."""
        return self._text_without("assistant", "system")

    def _text_without(self, *roles: str) -> str:
        if self.messages:
            return "\n".join(message["content"] or "" for message in self.messages if message["role"] not in roles)
        return self.prompt or ""


def load_rows(dataset: "Dataset", split: "SplitName") -> tuple[list[EvalRow], int]:
    """Returns the examples of a split that can be evaluated, in the order of their positions, and how many cannot.

    A chat without an answer and a prompt without choices cannot, nor can a chat whose last message is a tool call with arguments that are
    no JSON. Canaries are no examples: what a model keeps of them is measured apart.

    Raises:
        UserError: examples.parquet is missing or damaged.
    """
    from polars.exceptions import PolarsError

    from prep.dataset.canaries import is_canary

    try:
        frame = dataset.examples(split).filter(~is_canary()).sort("position", "id").collect()
    except PolarsError as error:
        raise UserError(f"cannot read examples.parquet: {error}", str(dataset.path), "Build the dataset again.") from error
    rows = to_rows(dataset, frame)
    usable = [
        row for row in rows if _answered(row.messages) or (row.prompt is not None and row.choices is not None) or row.task not in ASKED
    ]
    return usable, len(rows) - len(usable)


def to_rows(dataset: "Dataset", frame: "pl.DataFrame") -> list[EvalRow]:
    """Returns the rows of some examples of a dataset, in their order."""
    said = {template.name: {words[0]: tuple(words) for words in template.verbalizer.values()} for template in dataset.manifest.templates}
    schemas = {template.name: template.answer_schema or None for template in dataset.manifest.templates}
    rows = (_to_row(record, said.get(record["template"], {})) for record in frame.iter_rows(named=True))
    return [replace(row, schema=schema) if (schema := schemas.get(row.template)) else row for row in rows]


def limit_rows(rows: list[EvalRow], limit: int | None) -> list[EvalRow]:
    """Returns `limit` rows, drawn by the hash of their ids and kept in their order, or all of them."""
    if limit is None or limit >= len(rows):
        return rows
    # Not the first ones: a source file is often sorted by label.
    drawn = {row.id for row in sorted(rows, key=lambda row: hash_text(row.id))[:limit]}
    return [row for row in rows if row.id in drawn]


def choose_form(rows: list[EvalRow], given: "Form | None") -> "Form":
    """Returns the form in which classification is scored: as given, else verbalizer where the dataset has it, else chat."""
    if given is not None:
        return given
    return Form.VERBALIZER if any(row.choices is not None and row.prompt is not None for row in rows) else Form.CHAT


def _to_row(record: dict[str, Any], said: dict[str, tuple[str, ...]]) -> EvalRow:
    """Makes a row of a record; `said` has all words of a label by the first of them."""
    from prep.dataset.messages import messages_of

    choices = record["choices"]
    words = None if choices is None else tuple(said.get(choice, (choice,)) for choice in choices)
    is_judged = not set(JUDGED).isdisjoint(record["forms"])
    is_ranked = is_judged and (record["prompt"] is None or choices is None)  # else it asks for a choice, and is no more than that here
    chat = messages_of(record) if is_ranked or Form.CHAT in record["forms"] else None
    stored = {name: record[name] for name in EvalRow.__slots__ if name not in _MADE}
    if is_ranked:  # the choices of its template are none of its answers'
        stored, words = {**stored, "choices": None, "label": None}, None
    elif is_judged:
        stored["wanted"] = None
    made: dict[str, Any] = {"messages": chat.said(), "tools": chat.tools} if chat else {"messages": None, "tools": None}
    return EvalRow(**stored, **made, words=words, rejected=chat.said(rejected=True) if chat and chat.rejected is not None else None)


def _answered(messages: "list[Message] | None") -> bool:
    """Whether a chat ends on an answer: on words, or on calls of tools that can be read, as others can be compared with nothing."""
    if not messages or messages[-1]["role"] != "assistant":
        return False
    try:
        ToolCall.of_message(messages[-1].get("tool_calls") or ())
    except ValueError:
        return False
    return True
