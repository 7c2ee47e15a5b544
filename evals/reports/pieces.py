"""Texts as the page shows them: cut, masked, and with what differs or is missing marked.

What differs is worked out on the text as it is, and personal identifiers are masked afterwards: of two different telephone numbers nothing
is shown, and that they differ is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loopwright.console import printable
from prep.pii import hidden_spans
from prep.text.diff import word_diff
from prep.text.facts import Fact

DIFFERS, GONE, MISSING = "differs", "gone", "missing"
CUT = " […]"
# An identifier is found by the words around it, and may be long: it is looked for in so much more text than is shown.
_MARGIN = 3_000
# Comparing takes time with the square of what differs, and no more than this of an answer is shown.
_COMPARED = 900
# Of texts that share less than this part of the answer, what only the reference has is not written between: nobody could read it.
_READABLE = 0.5

Mark = tuple[int, int, str]
"""Beginning and end in a text, in characters, and what is to be said of the stretch."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text and what is to be said of it; nothing of the text around."""

    text: str
    mark: str = ""

    def to_json(self) -> Any:
        """Returns it as the page's script reads it: a text, or a text and its mark."""
        return [self.text, self.mark] if self.mark else self.text


Pieces = tuple[Piece, ...]


class ShownText:
    """A text of which excerpts are shown, personal identifiers masked.

    Args:
        text: the text as it is.
        limit: the most characters that are shown.
    """

    def __init__(self, text: str, limit: int) -> None:
        self.text = text
        self._limit = limit
        self._window = text[: limit + _MARGIN]
        self._hidden = hidden_spans(self._window)

    def plain(self) -> Pieces:
        """Returns the text without marks."""
        return self.marked(())

    def marked(self, marks: Sequence[Mark]) -> Pieces:
        """Returns the text with some stretches marked, which come in order and do not overlap."""
        return self._finish(self._runs(self._covering(marks), marks, set()))

    def against(self, other: "ShownText") -> Pieces:
        """Returns the text beside one that it should equal: what it alone has is marked `differs`, what it lacks stands there as `gone`."""
        if self.text == other.text:
            return self.plain()
        mine: list[Mark] = []
        order: list[tuple[ShownText, Mark]] = []
        place = its_place = shared = 0
        for change, run in word_diff(other.text[:_COMPARED], self.text[:_COMPARED]):
            is_seen = bool(run.strip())
            if change == "removed":
                order.append((other, (its_place, its_place + len(run), GONE if is_seen else "")))
            else:
                mark = DIFFERS if change == "added" and is_seen else ""
                order.append((self, (place, place + len(run), mark)))
                place += len(run)
                shared += len(run) * (change == "same")
                if mark:
                    mine.append(order[-1][1])
            its_place += len(run) * (change != "added")
        order.append((self, (place, len(self._window), "")))
        keeps_gone = shared >= _READABLE * min(len(self.text), _COMPARED)
        gone = [stretch for source, stretch in order if source is other and stretch[2]]
        shown: dict[int, set[int]] = {id(self): set(), id(other): set()}
        runs: list[Piece] = []
        for source, stretch in order:
            if source is self:
                runs += self._runs((stretch,), mine, shown[id(self)])
            elif keeps_gone and stretch[2]:
                runs += other._runs((stretch,), gone, shown[id(other)])
        return self._finish(runs)

    def words_of(self, facts: Sequence[Fact]) -> list[str]:
        """Returns how some facts of the text are written in it, masked, each once."""
        found = ["".join(piece.text for piece in self._runs(((fact.start, fact.end, MISSING),), (), set())) for fact in facts]
        return [text for text in dict.fromkeys(found) if text]

    def hide_in(self, text: str) -> str:
        """Returns what is said of the text with the identifiers masked that stand in the text, as they stand there or as bare digits."""
        for start, end, kind in self._hidden:
            written = self._window[start:end]
            digits = "".join(character for character in written if character.isdecimal())
            for form in (written, digits if len(digits) > 6 else ""):
                text = text.replace(form, f"[{kind}]") if form else text
        return text

    def _covering(self, marks: Sequence[Mark]) -> Iterator[Mark]:
        """Yields the whole window as stretches, those between the marks without one."""
        position = 0
        for start, end, mark in marks:
            yield position, start, ""
            yield start, end, mark
            position = end
        yield position, len(self._window), ""

    def _runs(self, stretches: Iterator[Mark] | Sequence[Mark], marks: Sequence[Mark], shown: set[int]) -> list[Piece]:
        """Returns stretches as pieces; an identifier in them is one piece, the first time, marked where it touches any of `marks`."""
        pieces = []
        for start, end, mark in stretches:
            position = start
            for number, (low, high, kind) in enumerate(self._hidden):
                if low >= end or high <= start:
                    continue
                if low > position:
                    pieces.append(Piece(self._window[position:low], mark))
                if number not in shown:
                    shown.add(number)
                    touching = next((one for a, b, one in marks if a < high and low < b), "")
                    pieces.append(Piece(f"[{kind}]", touching or mark))
                position = max(position, high)
            if position < end:
                pieces.append(Piece(self._window[position:end], mark))
        return pieces

    def _finish(self, pieces: Sequence[Piece]) -> Pieces:
        """Joins pieces of one mark, cuts them to the limit, and writes out what would turn the direction of the text around."""
        joined: list[Piece] = []
        room = self._limit
        for piece in pieces:
            text = piece.text[:room]
            if not text:
                continue
            room -= len(text)
            if joined and joined[-1].mark == piece.mark:
                joined[-1] = Piece(joined[-1].text + text, piece.mark)
            elif len(joined) > 1 and piece.mark == joined[-2].mark == DIFFERS and not joined[-1].text.strip():
                joined[-2:] = [Piece(joined[-2].text + joined[-1].text + text, piece.mark)]  # words in a row that differ are one difference
            else:
                joined.append(Piece(text, piece.mark))
        if room <= 0 and sum(len(piece.text) for piece in pieces) > self._limit:
            joined.append(Piece(CUT))
        return tuple(Piece(printable(piece.text), piece.mark) for piece in joined)
