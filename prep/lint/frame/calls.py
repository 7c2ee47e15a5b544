"""Tool calls as text, so that rules on texts see what an assistant does where it says nothing."""

import json
from typing import Any

import polars as pl

from prep.dataset.messages import messages_of
from prep.dataset.schema import MESSAGES

_HOLDS_CALLS = '"tool_calls":'


def with_spoken_calls(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Adds the column `spoken` to a dataset's examples: their messages, with the JSON of a message's tool calls where it has no text.

    Without them two chats that call different tools would look alike, and one that ends on a call would seem to have no answer.
    """
    calling = pl.col("extras").str.contains(_HOLDS_CALLS, literal=True)
    # Most datasets hold none, and those need no look at single rows.
    if not frame.select(calling.any().fill_null(False)).collect().item():
        return frame.with_columns(spoken=pl.col("messages"))
    spoken = pl.struct("messages", "extras").map_batches(_speak, return_dtype=MESSAGES, is_elementwise=True)
    return frame.with_columns(spoken=pl.when(calling.fill_null(False)).then(spoken).otherwise(pl.col("messages")))


def _speak(rows: pl.Series) -> pl.Series:
    return pl.Series(rows.name, [_spoken(row["messages"], row["extras"]) for row in rows], MESSAGES)


def _spoken(messages: list[dict[str, Any]] | None, extras: str | None) -> list[dict[str, Any]] | None:
    if not messages or not extras or _HOLDS_CALLS not in extras:
        return messages
    whole = messages_of({"messages": messages, "extras": extras}).messages
    return [
        message if message["content"] or "tool_calls" not in one else {**message, "content": _json(one["tool_calls"])}
        for message, one in zip(messages, whole, strict=True)
    ]


def _json(calls: list[dict[str, Any]]) -> str:
    return json.dumps([call["function"] for call in calls], ensure_ascii=False)
