"""Trees of messages, each answering the one above it, with ranked alternatives."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from prep.sources.raw_file import RejectedRow
from prep.sources.source import LINE, RawRows, to_text
from prep.sources.unread import Unread, unread_columns

_COLUMNS = ("message_id", "parent_id", "role", "text", "rank", "deleted", "lang", "message_tree_id")
_READ = (*_COLUMNS, "prompt")


@dataclass(slots=True)
class Message:
    """One message of a tree.

    Attributes:
        line: where it stands.
        message_id: its name.
        parent_id: the message that it answers; None for the first of a tree.
        role: who wrote it, as the file says: `prompter` or `assistant`.
        text: what it says.
        rank: its place among its siblings, 0 the best; None where nobody ranked them.
        is_deleted: somebody took it back.
        lang: its language.
        tree_id: the tree's name.
        replies: the messages that answer it, in the order of the file.
    """

    line: int
    message_id: str
    parent_id: str | None
    role: str
    text: str
    rank: int | None
    is_deleted: bool
    lang: str | None
    tree_id: str
    replies: "list[Message]" = field(default_factory=list)

    @property
    def best_replies(self) -> "list[Message]":
        """The replies that stand, the best ranked first; those without a rank last, in the order of the file."""
        standing = [reply for reply in self.replies if not reply.is_deleted]
        return sorted(standing, key=lambda reply: (reply.rank is None, reply.rank or 0))


@dataclass(frozen=True, slots=True)
class Forest:
    """All trees of a file.

    Attributes:
        roots: their first messages, in the order of the file.
        rejected: what could not be read, and messages that no tree of the file leads to.
        num_messages: how many messages were read.
        unread: the columns that say nothing here.
    """

    roots: list[Message]
    rejected: list[RejectedRow]
    num_messages: int
    unread: Unread


def read_forest(batches: Iterator[RawRows]) -> Forest:
    """Reads all messages of a file: one a row with its parent's id, or a row a tree with its `replies` within."""
    messages: dict[str, Message] = {}
    rejected: list[RejectedRow] = []
    unread = Unread()
    for rows in batches:
        rejected += rows.rejected
        unread.add(unread_columns(rows.frame, [name for name in rows.own_columns if name not in _READ], rows.frame[LINE]))
        for line, record in rows.records(_READ):
            try:
                found = list(_messages_of(line, record))
                if repeated := messages.keys() & {message.message_id for message in found}:
                    raise ValueError(f"the message '{min(repeated)}' stands twice")
                messages.update((message.message_id, message) for message in found)
            except (ValueError, RecursionError) as error:
                why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
                rejected.append(RejectedRow(line, "bad_record", f"the record is no message of a tree: {why}"))
    for message in messages.values():
        if message.parent_id in messages:
            messages[message.parent_id].replies.append(message)
    roots = [message for message in messages.values() if message.parent_id is None]
    placed = {message.message_id for root in roots for message in walk(root)}
    for message in messages.values():
        if message.message_id not in placed:
            detail = f"the message '{message.message_id}' answers '{message.parent_id}', which no tree of this file leads to"
            rejected.append(RejectedRow(message.line, "no_parent", detail))
    return Forest(roots, sorted(rejected, key=lambda row: row.line), len(messages), unread)


def walk(root: Message) -> Iterator[Message]:
    """Yields a message and all below it."""
    pending = [root]
    while pending:
        message = pending.pop()
        yield message
        pending += reversed(message.replies)


def turns_of(path: list[Message]) -> str:
    """Returns a path of messages as the JSON of turns."""
    return to_text([{"role": message.role, "text": message.text} for message in path]) or "[]"


def as_rows(rows: list[tuple[Any, ...]], columns: tuple[str, ...], rejected: list[RejectedRow], unread: Unread) -> RawRows:
    """Returns rows of a line and text columns as a frame."""
    frame = pl.DataFrame(rows, schema={LINE: pl.Int64(), **dict.fromkeys(columns, pl.String())}, orient="row")
    return RawRows(frame, rejected, unread=unread)


def _messages_of(line: int, record: dict[str, str | None]) -> Iterator[Message]:
    if record.get("message_id") is not None:
        yield _message(line, record, record.get("parent_id"), None)
        return
    tree = json.loads(record.get("prompt") or "null")
    pending: list[tuple[Any, str | None]] = [(tree, None)]
    while pending:
        value, parent_id = pending.pop()
        if not isinstance(value, dict):
            raise ValueError("it has neither a message_id nor a prompt with replies")
        texts = {name: to_text(value.get(name)) for name in _COLUMNS}
        message = _message(line, texts, parent_id, record.get("message_tree_id"))
        yield message
        replies = value.get("replies") or []
        pending += [(reply, message.message_id) for reply in reversed(replies)]


def _message(line: int, record: dict[str, str | None], parent_id: str | None, tree_id: str | None) -> Message:
    message_id, role, text = record.get("message_id"), record.get("role"), record.get("text")
    if not message_id or not role or text is None:
        raise ValueError("it lacks message_id, role or text")
    rank = record.get("rank")
    if rank is not None and not rank.lstrip("-").split(".")[0].isdigit():
        raise ValueError(f"its rank is '{rank}'")
    is_deleted = (record.get("deleted") or "").lower() == "true"
    named = tree_id or record.get("message_tree_id") or message_id
    return Message(
        line, message_id, parent_id or None, role, text, int(float(rank)) if rank else None, is_deleted, record.get("lang"), named
    )
