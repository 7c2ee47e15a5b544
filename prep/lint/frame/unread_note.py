"""What lint says of the keys that nobody read, of a built dataset and of a file that no build wrote."""

from collections.abc import Mapping

from prep.dataset.manifest import UnreadInfo
from prep.lint.base.note import Note, NoteKind
from prep.sources.unread import describe_unread

_MAX_SHOWN = 8


def unread_note(unread: Mapping[str, UnreadInfo], remedy: str) -> Note | None:
    """Returns the one note about keys that nobody read; None where all were read.

    Args:
        unread: the keys by their paths.
        remedy: what to do where one is wanted.
    """
    if not unread:
        return None
    return Note(NoteKind.UNREAD, "; ".join(describe_unread(unread, _MAX_SHOWN)), remedy=remedy)
