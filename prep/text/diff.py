"""What changed between two texts, word by word."""

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Literal, NamedTuple

from loopwright.console import printable
from loopwright.sequences import num_common

if TYPE_CHECKING:
    from rich.text import Text

Change = Literal["same", "removed", "added"]

# A word, a run of white space, or one other character. Han has no spaces between words: each of its characters is a word of its own.
_PIECES = re.compile(r"[㐀-鿿豈-﫿]|[^\W㐀-鿿豈-﫿]+|\s+|[^\w\s]")
_MAX_PIECES = 4_000  # comparing takes time with the square of them
_CONTEXT_WORDS = 12
_STYLES: dict[Change, str] = {"same": "", "removed": "red strike", "added": "bold green"}


class Piece(NamedTuple):
    """A run of a text that is in both texts, only in the first, or only in the second."""

    change: Change
    text: str


def word_diff(before: str, after: str) -> list[Piece]:
    """Returns both texts as one list of pieces: those that are not `added` make the first, those that are not `removed` the second.

    Of very long texts only what stands before the first and after the last difference is taken for the same.
    """
    one, other = _PIECES.findall(before), _PIECES.findall(after)
    head = num_common(one, other)
    tail = num_common(one[head:][::-1], other[head:][::-1])
    old, new = one[head : len(one) - tail], other[head : len(other) - tail]
    pieces = [Piece("same", "".join(one[:head]))]
    if max(len(old), len(new)) > _MAX_PIECES:
        pieces += [Piece("removed", "".join(old)), Piece("added", "".join(new))]
    else:
        # No junk heuristic: it takes frequent words, such as "the", for no match.
        for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if tag == "equal":
                pieces.append(Piece("same", "".join(old[i:j])))
            else:
                pieces += [Piece("removed", "".join(old[i:j])), Piece("added", "".join(new[k:m]))]
    pieces.append(Piece("same", "".join(one[len(one) - tail :])))
    return [piece for piece in pieces if piece.text]


def shorten(pieces: list[Piece], words: int = _CONTEXT_WORDS) -> list[Piece]:
    """Returns the pieces with no more than some words of what is the same around each difference; an ellipsis stands for the rest."""
    short = []
    for number, piece in enumerate(pieces):
        parts = _PIECES.findall(piece.text)
        room = 2 * words  # a word and the space beside it
        before, after = number > 0, number < len(pieces) - 1
        if piece.change != "same" or len(parts) <= room * (before + after):
            short.append(piece)
            continue
        kept = "".join(parts[:room] if before else []) + " … " + "".join(parts[-room:] if after else [])
        short.append(Piece("same", kept))
    return short


def render_words(pieces: list[Piece]) -> "Text":
    """Returns the pieces as one coloured text: red and struck what is gone, green what is new, marked too where there is no colour."""
    from rich.text import Text

    text = Text()
    for piece in pieces:
        shown = printable(piece.text)
        marked = {"same": shown, "removed": f"[-{shown}-]", "added": f"{{+{shown}+}}"}[piece.change]
        text.append(marked, style=_STYLES[piece.change])
    return text
