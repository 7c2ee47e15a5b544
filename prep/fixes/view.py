"""The fixes that are about to be made, as a diff: the row before and after."""

from collections.abc import Iterable, Sequence

from loopwright.console import printable
from prep.fixes.fixing import PlannedFix
from prep.pii import mask
from prep.pii.masking import shorten
from prep.text.diff import Change, Piece, word_diff
from prep.text.diff import shorten as shorten_pieces

_DROPPED_CHARACTERS = 80
_MAX_SHOWN = 100


def as_diff(fixes: Sequence[PlannedFix]) -> str:
    """Returns one block a fix, at most 100: where, why, and the changed fields around each change. What identifies people is masked."""
    if not fixes:
        return "Nothing to fix."
    blocks = ["\n".join(_block(one)) for one in fixes[:_MAX_SHOWN]]
    if len(fixes) > _MAX_SHOWN:
        blocks.append(f"and {len(fixes) - _MAX_SHOWN:,} more")
    return "\n\n".join(blocks)


def _block(one: PlannedFix) -> Iterable[str]:
    yield f"{printable(one.place)}: {one.code}{'' if one.safe else ' (unsafe)'}: {printable(one.fix.reason)}"
    if one.fix.op == "drop":
        for name, value in one.fix.before.items():
            if value:
                yield f"- {name}: {printable(shorten(value, _DROPPED_CHARACTERS))}"
        return
    for name, new in one.fix.after.items():
        # Masked whole, before anything is cut: half an identifier is none to a pattern.
        pieces = shorten_pieces(word_diff(mask(one.fix.before.get(name) or ""), mask(new or "")))
        yield f"- {name}: {_side(pieces, 'added')}"
        yield f"+ {name}: {_side(pieces, 'removed')}"


def _side(pieces: Sequence[Piece], without: Change) -> str:
    return printable("".join(piece.text for piece in pieces if piece.change != without)).replace("\n", "⏎")
