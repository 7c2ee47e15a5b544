"""A dataset's examples as an export sees them: whole messages, with what chat rows have beside role and content."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prep.dataset.messages import KeptMessage, messages_of

if TYPE_CHECKING:
    import polars as pl

Message = KeptMessage

_BATCH_ROWS = 10_000
_READ = (
    "id",
    "source",
    "line",
    "split",
    "label",
    "choices",
    "messages",
    "prompt",
    "target",
    "mask",
    "text",
    "chosen",
    "rejected",
    "wanted",
    "extras",
)


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One example.

    Attributes:
        id: the example's id.
        location: `source:line` of its raw row.
        messages: the chat, or a preference row's input; with tool calls, names and weights where the row has them.
        tools: the tools that the row declares.
        chosen: the preferred answer.
        rejected: the other answer.
        wanted: whether the answer that ends the messages is wanted, where it is judged.
        prompt: the verbalizer form's prompt.
        target: what follows the prompt, or in a cloze stands in place of the mask.
        mask: a cloze's mask.
        choices: the verbalizer's words.
        label: index into them.
        text: the completion form's text.
    """

    id: str
    location: str
    messages: list[Message] | None = None
    tools: list[dict[str, Any]] | None = None
    chosen: list[Message] | None = None
    rejected: list[Message] | None = None
    wanted: bool | None = None
    prompt: str | None = None
    target: str | None = None
    mask: str | None = None
    choices: list[str] | None = None
    label: int | None = None
    text: str | None = None


def iterate(examples: "pl.LazyFrame") -> Iterator[ExportRow]:
    """Yields the rows in their order, a batch in memory at a time."""
    for batch in examples.select(_READ).collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True):
        for values in batch.iter_rows(named=True):
            yield _row(values)


def has_extras(examples: "pl.LazyFrame") -> bool:
    """Says whether any row has more than roles and contents."""
    import polars as pl

    return examples.filter(pl.col("extras").is_not_null()).select("id").head(1).collect().height > 0


def has_untrained_turns(examples: "pl.LazyFrame") -> bool:
    """Says whether any assistant message has weight 0."""
    import polars as pl

    with_weights = examples.filter(pl.col("extras").str.contains('"weight"', literal=True))
    return any(message.get("weight") == 0 for row in iterate(with_weights) for message in row.messages or ())


def _row(values: dict[str, Any]) -> ExportRow:
    found = messages_of(values)
    return ExportRow(
        id=values["id"],
        location=f"{values['source']}:{values['line']}",
        messages=None if values["messages"] is None else found.messages,
        tools=found.tools,
        chosen=found.chosen,
        rejected=found.rejected,
        wanted=found.wanted,
        prompt=values["prompt"],
        target=values["target"],
        mask=values["mask"],
        choices=values["choices"],
        label=values["label"],
        text=values["text"],
    )
