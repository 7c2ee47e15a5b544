"""Defects of the conversation around the text: order of roles, weights, the system prompt."""

import re
from collections.abc import Callable

from corpora import Item
from planting import Row, Workshop, kind

Replacement = str | Callable[[re.Match[str]], str]

# What to look for in the prompt, and what to put there; where it has none of it, another row's turn comes.
_REWORDINGS: tuple[tuple[str, Replacement], ...] = (
    (r"\.$", ""),
    (r"^.*$", lambda found: found[0].lower()),
    (r"\bone\b", "a single"),
    (r"\.", "!"),
    (r" ", "  "),
    (r"$", " Be concise."),
    (r"^(You|Decide)\b", r"Please: \1"),
    (r"\b(judge|summarise|read|write|Decide)\b", lambda found: _SYNONYMS[found[0]]),
    (r", ", " "),
    (r"(\w{4})(\w)(\w)", r"\1\3\2"),
    (r"\b(Answer|return|Reply)\b", lambda found: _SYNONYMS[found[0]]),
    (r"^(You|Decide|From)", lambda found: found[0].upper()),
    (r"$", "\n"),
    (r"\ba\b", "the"),
)
_SYNONYMS = {
    "judge": "rate", "summarise": "summarize", "read": "look at", "write": "put down", "Decide": "Determine", "Answer": "Respond",
    "return": "give back", "Reply": "Respond",
}  # fmt: skip


@kind("role order", ["FMT003", "FMT002"], classes=8, summary=6, intent=6)
def role_order(shop: Workshop, item: Item, number: int) -> Row:
    """Puts the messages in an order that no conversation has."""
    row = shop.row(item)
    *system, user, assistant = row.messages
    orders = (
        [*system, assistant, user],
        [*system, user, assistant, {"role": "user", "content": "Thanks."}],
        [*system, user, assistant, assistant | {"content": assistant["content"]}],
        [*system, user, user | {"content": "Hello?"}, assistant],
        [*system, user],
        [user, assistant, *(system or [{"role": "system", "content": "Be brief."}])],
        [user, *(system or [{"role": "system", "content": "Be brief."}]), assistant],
        [*system, assistant],
        [*system, user | {"role": "assistant"}, assistant | {"role": "user"}],
    )
    row.messages = orders[number % len(orders)]
    row.note = " ".join(message["role"] for message in row.messages)
    return row


@kind("bad weight", ["FMT004"], classes=8, summary=6, intent=6)
def bad_weight(shop: Workshop, item: Item, number: int) -> Row:
    """Gives a message a weight that is not 0 or 1, or is not the assistant's."""
    row = shop.row(item)
    weights = ("1", 2, 0.5, -1, "high", 0.3, 100, "0", [1], None)
    user, assistant = len(row.messages) - 2, len(row.messages) - 1
    place, weight = (user, 1) if number % 4 == 3 else (assistant, weights[number % len(weights)])
    row.messages[place] = row.messages[place] | {"weight": weight}
    row.note = f"{row.messages[place]['role']}: {weight!r}"
    return row


@kind("system-prompt variant", ["CON205"], classes=8, summary=6, intent=6)
def system_prompt_variant(shop: Workshop, item: Item, number: int) -> Row | None:
    """Words the system prompt a little otherwise."""
    row = shop.row(item)
    if row.messages[0]["role"] != "system":
        return None
    prompt = row.messages[0]["content"]
    ways = (re.sub(find, replace, prompt, count=0 if find == r"\." else 1) for find, replace in _REWORDINGS * 2)
    varied = next(way for place, way in enumerate(ways) if place >= number % len(_REWORDINGS) and way != prompt)
    row.messages[0] = {"role": "system", "content": varied}
    row.note = varied
    return row
