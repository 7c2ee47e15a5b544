"""What a chat's turns say, by columns: what comes before the answer, and the answer."""

from typing import NamedTuple

import polars as pl


class TurnColumns(NamedTuple):
    """Columns of a chat.

    Attributes:
        is_answered: the last turn is the assistant's; null where there are no turns.
        system: texts of the system messages before the answer, joined by line breaks.
        input: texts of the other turns before it, likewise.
        answer: text of the last turn where that is the assistant's.
    """

    is_answered: pl.Expr
    system: pl.Expr
    input: pl.Expr
    answer: pl.Expr


def turn_columns(turns: pl.Expr) -> TurnColumns:
    """Returns the columns of chats, each a list of structs with `role` and `content`."""
    is_answered = turns.list.last().struct.field("role") == "assistant"
    before = pl.when(is_answered).then(turns.list.head(turns.list.len() - 1)).otherwise(turns)
    is_system = pl.element().struct.field("role") == "system"
    content = pl.element().struct.field("content").fill_null("")
    return TurnColumns(
        is_answered,
        before.list.eval(content.filter(is_system)).list.join("\n"),
        before.list.eval(content.filter(~is_system)).list.join("\n"),
        pl.when(is_answered).then(turns.list.last().struct.field("content").fill_null("")),
    )


def last_turn_field(turns: pl.Expr) -> pl.Expr:
    """Returns how reports name the text of each chat's last turn."""
    return pl.format("messages[{}].content", turns.list.len().cast(pl.Int64) - 1)
