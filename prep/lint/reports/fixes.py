"""The fixes that are about to be made, as a diff: what stands in the row, and what will."""

from collections.abc import Iterable, Sequence

from loopwright.console import printable
from prep.lint.fixing import PlannedFix
from prep.pii import mask
from prep.word_diff import Piece, word_diff

_AROUND = 40
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
                yield f"- {name}: {_line(_ends(value))}"
        return
    for name, new in one.fix.after.items():
        pieces = _shortened(word_diff(one.fix.before.get(name) or "", new or ""))
        yield f"- {name}: {_line(''.join(piece.text for piece in pieces if piece.change != 'added'))}"
        yield f"+ {name}: {_line(''.join(piece.text for piece in pieces if piece.change != 'removed'))}"


def _shortened(pieces: Sequence[Piece]) -> list[Piece]:
    """Cuts what did not change down to what stands around the changes."""
    return [piece if piece.change != "same" else Piece("same", _ends(piece.text)) for piece in pieces]


def _ends(text: str) -> str:
    return text if len(text) <= 2 * _AROUND else f"{text[:_AROUND]}…{text[-_AROUND:]}"


def _line(text: str) -> str:
    return printable(mask(text)).replace("\n", "⏎")
