"""FMT003 RoleOrder."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.pii.masking import shorten
from templates.form import Form

# System message, then user and assistant by turns (tool results go before the assistant's next turn), an assistant last.
_ORDERLY = r"^(?:system,)?user,(?:assistant,(?:(?:tool,)+assistant,)*user,)*assistant,(?:(?:tool,)+assistant,)*$"
_FEW = 3
_MIN_DESIGN = 50


class RoleOrder(Rule):
    """A chat without an answer, or with roles out of order.

    ## What it does
    Checks the roles of each chat. Error: no assistant message to learn from, or a last message of another role. Warning: a first
    message of the assistant, two messages in a row of the assistant, the user or the system, a late system message, or a tool message
    without a call. If more than a few chats of a task are like that, it is the data's design and not reported.

    ## Why is this bad
    Without an assistant message nothing is trained on the row. Many chat templates refuse other orders, or render a prompt that the
    model never sees at inference.

    ## Example
    `system, assistant, user` - the chat ends before its answer.

    ## Fix safety
    Never fixed automatically: the missing answer is unknown.
    """

    code = "FMT003"
    severity = Severity.ERROR
    columns = ("messages", "form", "task", "task_rows")
    remedy = "Add the missing answer, reorder the turns, or drop the chat."
    thresholds = (Threshold("design", 0.05, "a larger share is by design: people do write twice before they get an answer"),)

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        is_chat = (pl.col("form") == Form.CHAT) & pl.col("messages").is_not_null()
        roles = pl.col("messages").list.eval(pl.element().struct.field("role").fill_null("unknown")).list.join(",") + ","
        return (
            examples.filter(is_chat)
            .select(*Finding.where, "task", "task_rows", roles=roles, num_chats=pl.len())
            .filter(~pl.col("roles").str.contains(_ORDERLY))
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        counts = Counter(found.select("task", "roles").iter_rows())
        by_task: Counter[tuple[str, str]] = Counter()
        in_all: Counter[str] = Counter()
        for (task, roles), count in counts.items():
            order = roles.split(",")[:-1]
            if _without_answer(order) is None:
                by_task.update({(task, disorder): count for disorder in _unusual(order)})
                in_all.update(dict.fromkeys(_unusual(order), count))
        for row in found.iter_rows(named=True):
            roles = row["roles"].split(",")[:-1]
            missing = _without_answer(roles)
            if missing is not None:
                yield Finding.at(row, f"the chat {missing}", field="messages")
                continue
            for disorder in _unusual(roles):
                count, num_rows = by_task[row["task"], disorder], row["task_rows"]
                if count > context.threshold(self, "design") * num_rows and num_rows < _MIN_DESIGN:
                    # A message out of place makes a small task of its own, all of which is out of order.
                    count, num_rows = in_all[disorder], row["num_chats"]
                if count <= _FEW or count <= context.threshold(self, "design") * num_rows:
                    yield Finding.at(row, f"the chat {disorder}", field="messages", severity=Severity.WARNING)
                    break


def _without_answer(roles: list[str]) -> str | None:
    """Says why a chat has no answer to learn, or None."""
    if "assistant" not in roles:
        return "has no assistant message" if any(roles) else "has no messages"
    return None if roles[-1] == "assistant" else f"ends with the role '{shorten(roles[-1], 20)}' instead of an answer"


def _unusual(roles: list[str]) -> Iterator[str]:
    """Yields what is out of order, the worst first."""
    spoken = next((index for index, role in enumerate(roles) if role != "system"), len(roles))
    pairs = set(pairwise(roles))
    if roles[spoken : spoken + 1] == ["assistant"]:
        yield "begins with an assistant message"
    if ("assistant", "assistant") in pairs:
        yield "has two assistant messages in a row"
    if "system" in roles[spoken:]:
        yield "has a system message after other messages"
    if roles[:1] == ["tool"] or any(before not in {"assistant", "tool"} and role == "tool" for before, role in pairs):
        yield "has a tool message without an assistant message before it"
    if ("user", "user") in pairs:
        yield "has two user messages in a row"
    if spoken > 1:
        yield "has two system messages"
