"""What the messages of an example are: its chat with what stands beside role and content, and the two answers of a preference pair."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import polars as pl

from prep.dataset.schema import MESSAGES
from templates.chat import Message

KeptMessage = dict[str, Any]
"""A message as a dataset keeps it: a `Message` that may have a `refusal` beside its content."""


@dataclass(frozen=True, slots=True)
class ExampleMessages:
    """The messages of an example.

    Attributes:
        messages: the chat, or what both answers of a pair follow; each with its tool calls, name, weight, refusal and reasoning where there
            are any.
            The content of a message that does nothing but call tools is None.
        tools: the tools that may be called; None where the example declares none.
        chosen: the preferred answer of a pair; None where the example is none.
        rejected: the other answer.
        wanted: whether the answer that ends the messages is one that people want; None where that is not said.
    """

    messages: list[KeptMessage]
    tools: list[dict[str, Any]] | None
    chosen: list[KeptMessage] | None
    rejected: list[KeptMessage] | None
    wanted: bool | None = None

    @property
    def whole(self) -> list[KeptMessage]:
        """The conversation to its end, which in a pair is the preferred answer."""
        return [*self.messages, *(self.chosen or ())]

    @property
    def answer(self) -> KeptMessage | None:
        """The message that ends the conversation, where the assistant says it."""
        whole = self.whole
        return whole[-1] if whole and whole[-1]["role"] == "assistant" else None

    @property
    def asked(self) -> list[KeptMessage]:
        """What comes before the answer."""
        return self.whole if self.answer is None else self.whole[:-1]

    def said(self, *, rejected: bool = False) -> list[Message]:
        """Returns the conversation as a model reads and says it: a refusal is the content of its message.

        Where its answer is one of a pair, or judged by itself, that alone is trained: what the assistant said before has the weight 0.

        Args:
            rejected: end a pair on the rejected answer.
        """
        whole = [_said(message) for message in ([*self.messages, *(self.rejected or ())] if rejected else self.whole)]
        num_read = len(self.messages) if self.chosen is not None else len(self.asked) if self.wanted is not None else 0
        return [*map(_read, whole[:num_read]), *whole[num_read:]]


def messages_of(row: Mapping[str, Any]) -> ExampleMessages:
    """Returns the messages of an example.

    Args:
        row: a row of `EXAMPLE_SCHEMA`, or of the lint frame, whose `messages` are whole; `extras`, `chosen`, `rejected` and `wanted` may be
            left out.

    Raises:
        ValueError: the extras are no JSON, or of more messages than there are.
    """
    extras = json.loads(row["extras"]) if row.get("extras") else {}
    messages: Sequence[Mapping[str, Any]] = row["messages"] or ()
    beside = extras.get("messages") or []
    # In the lint frame a pair's answer stands behind them, and has nothing beside it.
    beside = [*beside, *[None] * (len(messages) - len(beside))]
    return ExampleMessages(
        messages=[_kept(message, more or {}) for message, more in zip(messages, beside, strict=True)],
        tools=extras.get("tools") or None,
        chosen=row.get("chosen"),
        rejected=row.get("rejected") if row.get("chosen") is not None else None,
        wanted=row.get("wanted"),
    )


def whole_column(messages: pl.Expr) -> pl.Expr:
    """Returns `ExampleMessages.whole` by columns: the given messages of an example, and the preferred answer of a pair behind them."""
    is_pair = pl.col("chosen").is_not_null()
    return pl.when(is_pair).then(pl.concat_list(messages.fill_null(pl.lit([], MESSAGES)), "chosen")).otherwise(messages)


def _kept(message: Mapping[str, Any], more: Mapping[str, Any]) -> KeptMessage:
    # A message that does nothing but call tools has no content, and not an empty one.
    content = message["content"] or (None if more.get("tool_calls") else "")
    return {"role": message["role"], "content": content, **more}


def _said(message: KeptMessage) -> Message:
    kept = {key: value for key, value in message.items() if key != "refusal"}
    return cast("Message", {**kept, "content": message["content"] or message.get("refusal") or message["content"]})


def _read(message: Message) -> Message:
    """Takes what the assistant said out of what is trained."""
    return {**message, "weight": 0} if message["role"] == "assistant" else message
