"""OpenAssistant's message trees as preference pairs."""

from collections.abc import Iterator

from prep.sources.raw_file import RawFile
from prep.sources.shapes.message_trees import Message, as_rows, read_forest, turns_of
from prep.sources.shapes.oasst import Oasst
from prep.sources.source import RawRows

_COLUMNS = ("message_tree_id", "message_id", "rejected_id", "lang", "turns", "chosen", "rejected")


class OasstPreference(Oasst):
    """The trees of `oasst`: for each message that the assistant answered more than once, the best ranked answer against each other one.

    A row has the `turns` up to that message, and `chosen` and `rejected` as text. Answers that are deleted, or that nobody ranked, make no
    pair. All pairs of a tree stay in one split, unless the config groups by another column.
    """

    name = "oasst-preference"

    def convert(self, batches: Iterator[RawRows], file: RawFile) -> Iterator[RawRows]:
        """Pairs the answers."""
        forest = read_forest(batches)
        rows: list[tuple[int | str | None, ...]] = []
        num_unpaired = 0
        for root in forest.roots:
            pending: list[list[Message]] = [] if root.is_deleted else [[root]]
            while pending:
                path = pending.pop()
                replies = path[-1].best_replies
                pending += [[*path, reply] for reply in reversed(replies)]
                answers = [reply for reply in replies if reply.role == "assistant"]
                ranked = [answer for answer in answers if answer.rank is not None]
                num_unpaired += len(answers) - len(ranked) + (len(ranked) == 1)
                for other in ranked[1:]:
                    if other.rank != ranked[0].rank:
                        ids = (ranked[0].message_id, other.message_id)
                        rows.append((ranked[0].line, root.tree_id, *ids, root.lang, turns_of(path), ranked[0].text, other.text))
        file.notices.append(
            f"'{file.path.name}' has {forest.num_messages:,} messages in {len(forest.roots):,} trees: {len(rows):,} preference pairs. "
            f"{num_unpaired:,} answers have no other to be compared with, or no rank."
        )
        yield as_rows(rows, _COLUMNS, forest.rejected, forest.unread)
