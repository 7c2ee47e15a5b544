"""One line of context with the offending part underlined, as a compiler shows it, for any script and for hostile text."""

import unicodedata
from dataclasses import dataclass

from prep.lint.base.excerpts import Excerpt

CUT = "…"
_SIGNS = {"\n": "↵", "\t": "⇥", "\r": "", "\u2028": "↵", "\u2029": "↵"}
_JOINERS = "\u200c\u200d"  # they take no cell and shape the letters beside them: shown as they are, but where they are the finding
_MIN_MARKED = 24
_TAIL = 12


@dataclass(frozen=True, slots=True)
class Underlined:
    """A line and what goes under it.

    Attributes:
        before: the line up to the marked part.
        marked: that part.
        after: the rest.
        note: the line below; empty where nothing is marked.
    """

    before: str
    marked: str
    after: str
    note: str

    @property
    def line(self) -> str:
        """The whole line."""
        return self.before + self.marked + self.after


def underline(excerpt: Excerpt, width: int) -> Underlined:
    """Lays an excerpt out on one line of at most `width` terminal cells.

    Line ends and tabs are drawn as signs, what a terminal would obey is written out. A line with right-to-left letters is reordered by
    some terminals and not by others, so that no caret could stand under the right place: the note repeats the marked part instead.
    """
    before, after = visible(excerpt.before), visible(excerpt.after)
    if not excerpt.marked:
        return _plain(excerpt, before, after, width)
    marked = visible(excerpt.marked, alone=True) or CUT
    marked = _shorten(marked, max(width * 2 // 3, _MIN_MARKED), cut=excerpt.cut_between)
    room = max(width - _cells(marked), 0)
    # What comes before explains more than what comes after; what one side leaves free the other takes.
    room_after = min(_cells(after) + 1, max(room // 3, room - _cells(before) - 1))
    before = _take_end(before, room - room_after, cut=excerpt.cut_before)
    after = _take_start(after, room_after, cut=excerpt.cut_after)
    if any(unicodedata.bidirectional(character) in {"R", "AL"} for character in before + marked + after):
        return Underlined(before, marked, after, f"^ here: {marked}")
    return Underlined(before, marked, after, " " * _cells(before) + "^" * max(_cells(marked), 1))


def visible(text: str, *, alone: bool = False) -> str:
    r"""Returns a text on one line: line ends and tabs as signs, control and format characters written out as `\u200b`.

    Args:
        text: the text.
        alone: it is what a finding points at: if it holds nothing to be seen, all of it is written out.
    """
    if alone and text and not _cells("".join(character for character in text if not character.isspace())):
        return "".join(_SIGNS.get(character) or (character if character == " " else _escape(character)) for character in text)
    return "".join(_sign(character) for character in text)


def _sign(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} and character not in _JOINERS:
        return _escape(character)
    return character


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def _plain(excerpt: Excerpt, before: str, after: str, width: int) -> Underlined:
    if excerpt.cut_between or _cells(before + after) > width:
        whole = after if excerpt.cut_between else before
        before = _take_start(before, width - width // 2, cut=True)
        return Underlined(before, "", _take_end(whole, width // 2, cut=False).removeprefix(CUT), "")
    return Underlined(before, "", after, "")


def _shorten(text: str, width: int, *, cut: bool) -> str:
    """Cuts the middle out of a text that is wider than `width` cells, or its end where more follows that is not here."""
    if cut or _cells(text) <= width:
        return _take_start(text, width, cut=cut)
    return _take_start(text, width - _TAIL, cut=True) + _take_end(text, _TAIL, cut=False).removeprefix(CUT)


def _take_start(text: str, width: int, *, cut: bool) -> str:
    """Returns the beginning that fits; `cut` says that more follows in any case."""
    from rich.cells import set_cell_size

    if _cells(text) + cut <= width:
        return text + CUT * cut
    return set_cell_size(text, max(width - 1, 0)).rstrip(" ") + CUT


def _take_end(text: str, width: int, *, cut: bool) -> str:
    if _cells(text) + cut <= width:
        return CUT * cut + text
    room, start = width - 1, len(text)
    while start > 0 and _cells(text[start - 1 :]) <= room:
        start -= 1
    while start < len(text) and (
        unicodedata.combining(text[start]) or text[start] in _JOINERS or unicodedata.category(text[start]) == "Mn"
    ):
        start += 1  # a mark without its letter would stand on the sign of the cut
    return CUT + text[start:]


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
