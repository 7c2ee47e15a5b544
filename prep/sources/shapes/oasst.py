"""OpenAssistant's message trees as conversations."""

from collections.abc import Iterator

from prep.sources.files import Shape
from prep.sources.raw_file import RawFile, RejectedRow
from prep.sources.shapes.message_trees import Message, as_rows, read_forest, turns_of, walk
from prep.sources.source import RawRows

_COLUMNS = ("message_tree_id", "message_id", "lang", "turns")


class Oasst(Shape):
    """Trees of messages (a line a message with its `parent_id`, or a line a tree): one row a tree, the conversation of its best replies.

    At each message the best ranked reply that is not deleted is followed (replies without a rank after those with one, in the order of the
    file), down to the last answer of the assistant. A row has `message_tree_id`, the `message_id` of that answer, `lang` and `turns`. All
    trees are held in memory.
    """

    name = "oasst"
    group = "message_tree_id"  # so that a tree's conversation and its preference pairs, in two sources, stay in one split

    def fits(self, record: dict[str, str | None]) -> int:
        """Looks for messages with parents, or a tree with replies."""
        if {"message_id", "parent_id", "role", "text"} <= record.keys():
            return len(record) if record["message_id"] and record["role"] else 0
        return len(record) if record.get("message_tree_id") and '"replies":' in (record.get("prompt") or "") else 0

    def convert(self, batches: Iterator[RawRows], file: RawFile) -> Iterator[RawRows]:
        """Follows the best replies of each tree."""
        forest = read_forest(batches)
        rows: list[tuple[int | str | None, ...]] = []
        rejected = list(forest.rejected)
        num_used = num_deleted = 0
        for root in forest.roots:
            num_deleted += sum(message.is_deleted for message in walk(root))
            if path := _best_path(root):
                num_used += len(path)
                rows.append((root.line, root.tree_id, path[-1].message_id, root.lang, turns_of(path)))
            else:
                why = "its first message is deleted" if root.is_deleted else "no answer of the assistant stands in it"
                rejected.append(RejectedRow(root.line, "no_answer", f"the tree '{root.tree_id}' gives no conversation: {why}"))
        file.notices.append(
            f"'{file.path.name}' has {forest.num_messages:,} messages in {len(forest.roots):,} trees: {len(rows):,} conversations of "
            f"{num_used:,} messages. The others are replies that are not the best or have no answer, {num_deleted:,} of them deleted."
        )
        yield as_rows(rows, _COLUMNS, sorted(rejected, key=lambda row: row.line), forest.unread)


def _best_path(root: Message) -> list[Message]:
    """Returns the best conversation, down to its last answer; empty where there is none."""
    path = [] if root.is_deleted else [root]
    while path and path[-1].best_replies:
        path.append(path[-1].best_replies[0])
    while path and path[-1].role != "assistant":
        path.pop()
    return path
