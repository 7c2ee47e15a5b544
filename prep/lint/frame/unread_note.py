"""What lint says of the keys that nobody read, of a built dataset and of a file that no build wrote."""

from collections.abc import Mapping

from prep.dataset.manifest import UnreadInfo
from prep.lint.base.note import Note, NoteKind
from prep.pii.masking import shorten

_MAX_SHOWN = 8


def unread_note(unread: Mapping[str, UnreadInfo], remedy: str) -> Note | None:
    """Returns the one note about keys that nobody read; None where all were read.

    Args:
        unread: the keys by their paths.
        remedy: what to do where one is wanted.
    """
    if not unread:
        return None
    said = [f"{shorten(path)} ({one.rows:,} rows, first at {one.first})" for path, one in list(unread.items())[:_MAX_SHOWN]]
    if len(unread) > _MAX_SHOWN:
        said.append(f"and {len(unread) - _MAX_SHOWN:,} more keys")
    return Note(NoteKind.UNREAD, ", ".join(said), remedy=remedy)
