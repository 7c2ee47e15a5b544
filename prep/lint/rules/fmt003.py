"""FMT003 RoleOrder."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import polars as pl

from prep.lint.context import Context
from prep.lint.rule import Finding, Rule, Severity

# System messages, then users and assistants by turns (tool results go before the assistant's next turn), an assistant last.
_ORDERLY = r"^(?:system,)*(?:user,)+(?:assistant,(?:(?:tool,)+assistant,)*(?:user,)+)*assistant,(?:(?:tool,)+assistant,)*$"
_UNUSUAL = {"begins with an assistant message", "has two assistant messages in a row", "has a system message after other messages"}


class RoleOrder(Rule):
    """A chat without an answer, or with its roles out of order.

    ## What it does
    Follows each chat's roles. It is an error where no assistant message is there to be learned, or where the chat ends on another role.
    It is a warning where a chat begins with the assistant, where two assistant messages follow each other, or where a system message
    comes late; where most chats of a task are like that it is the data's design and nothing is reported.

    ## Why is this bad
    Without an assistant message nothing is trained on the row. Other orders are refused by many chat templates, or rendered into a
    prompt that the model never sees in use.

    ## Example
    `system, assistant, user` - the chat stops where the answer should stand.

    ## Fix safety
    Never fixed automatically: the missing answer is not known.
    """

    code = "FMT003"
    severity = Severity.ERROR
    columns = ("messages", "kind", "task", "task_rows")
    remedy = "Give the chat its answer, put its turns in order, or remove it."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        is_chat = pl.col("kind").str.contains("chat") & pl.col("messages").is_not_null()
        roles = pl.col("messages").list.eval(pl.element().struct.field("role").fill_null("unknown")).list.join(",") + ","
        return (
            examples.filter(is_chat)
            .select(*Finding.where, "task", "task_rows", roles=roles)
            .filter(~pl.col("roles").str.contains(_ORDERLY))
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        rows = [(row, _disorder(row["roles"].split(",")[:-1])) for row in found.iter_rows(named=True)]
        by_design = Counter((row["task"], disorder) for row, disorder in rows)
        for row, disorder in rows:
            if disorder is None:
                continue
            unusual = disorder in _UNUSUAL
            if unusual and by_design[row["task"], disorder] * 2 > row["task_rows"]:
                continue
            yield Finding.at(row, f"the chat {disorder}", field="messages", severity=Severity.WARNING if unusual else None)


def _disorder(roles: list[str]) -> str | None:
    """Says what is wrong with an order of roles, the worst first; None where it is merely uncommon."""
    if "assistant" not in roles:
        return "has no assistant message" if any(roles) else "has no messages"
    if roles[-1] != "assistant":
        return f"ends on the role '{roles[-1][:20]}', not on an answer"
    spoken = [role for role in roles if role != "system"]
    if spoken[0] == "assistant":
        return "begins with an assistant message"
    if any(a == b == "assistant" for a, b in pairwise(roles)):
        return "has two assistant messages in a row"
    if "system" in roles[roles.index(spoken[0]) :]:
        return "has a system message after other messages"
    return None
