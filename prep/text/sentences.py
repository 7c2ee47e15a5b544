"""Where sentences end, in any script, and where a text may be cut when no sentence ends in time.

Patterns here have no nested quantifier and nothing behind a quantifier that can fail, so that they stay linear on any text.
"""

import re
import unicodedata
from collections.abc import Iterator

Span = tuple[int, int]

# Marks of most scripts; closing quotes and brackets belong to the sentence. Blank lines, form feeds and U+2029 end a paragraph.
_MAYBE_END = re.compile(
    r"(?P<spaced>[.!?．…‥]+)[\"'”’»)\]}」』）】》〉]*"
    r"|[。！？｡؟۔।॥։።፧፨။៖។៕༎]+[\"'”’»)\]}」』）】》〉]*"
    r"|\n[^\S\n]*\n|[\f\u2029]"
)
_OPENING = "\"'“‘«([{「『（【《〈"
# Words that a name or a number follows, and not a new sentence.
_ABBREVIATION = re.compile(
    r"dr|mr|mrs|ms|mx|prof|rev|hon|gen|col|capt|lt|sgt|st|mt|messrs|sra|srta|mme|mlle|e\.g|i\.e|eg|ie|cf|vs|viz|approx|ca|z\.b|d\.h|bzw|p\.ex"
)
_BEFORE_NUMBER = re.compile(
    r"no|nos|nr|fig|figs|vol|pp|pg|sec|art|ch|eq|ref|para|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec",
)
# Words that may end a sentence as well: what follows tells.
_BEFORE_LOWER = re.compile(r"etc|inc|ltd|co|corp|al|jr|sr|dept|est|a\.m|p\.m|u\.s|u\.k|u\.n|ph\.d|m\.d|usw")
_LONGEST_ABBREVIATION = 12
_FIRST_CJK = "\u2e80"

_CLAUSE_END = re.compile(r"[,;:](?=\s)|[，、；：،؛፣፤၊]|[–—]")
_SPACE = re.compile(r"\s")
_JOINERS = frozenset("\u200d\u2060")
_REGIONAL = ("\U0001f1e6", "\U0001f1ff")
# Skin tones, the tags of flags, and the vowels and finals of Korean syllables that are written in parts.
_EXTENDING = (("\U0001f3fb", "\U0001f3ff"), ("\U000e0020", "\U000e007f"), ("\u1160", "\u11ff"))


def sentence_spans(text: str) -> list[Span]:
    """Returns where each sentence begins and ends, without the white space around it. All else of the text is in one of them."""
    spans = []
    start = 0
    for end in (*_ends(text), len(text)):
        part = text[start:end]
        stripped = part.strip()
        if stripped:
            first = start + part.index(stripped[0])
            spans.append((first, first + len(stripped)))
        start = end
    return spans


def _ends(text: str) -> Iterator[int]:
    start = 0
    for match in _MAYBE_END.finditer(text):
        spaced = match["spaced"]
        if spaced is None or _ends_spaced(text, start, match):
            start = match.end()
            yield start


def _ends_spaced(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether a mark of the scripts that write spaces ends a sentence."""
    after = text[match.end() : match.end() + 1]
    if after and not after.isspace():  # 3.5, a name of a file; but Chinese is often typed with these marks, and no space
        return after >= _FIRST_CJK and after.isalpha() and match["spaced"][-1] not in "…‥" and not _follows_digit(text, match.start())
    if match.group() != ".":
        return True
    return not _is_abbreviation(text, start, match.start(), match.end())


def _follows_digit(text: str, place: int) -> bool:
    return place > 0 and text[place - 1].isdigit()


def _is_abbreviation(text: str, start: int, stop: int, end: int) -> bool:
    """Whether a full stop belongs to the word before it: `Dr.`, `e.g.`, `J.`, the number of a list's entry."""
    first = max(start, stop - _LONGEST_ABBREVIATION)
    before = text[first:stop]
    words = before.split()
    if not words or before[-1].isspace():
        return False
    word = words[-1].lstrip(_OPENING)
    if len(word) == len(before) and first > start:
        return False  # a longer word than any of these
    # The gap may be long; what stands behind a few characters of it decides nothing.
    following = text[end : end + 3].lstrip()[:1]
    if word.isdigit():
        return not text[start : stop - len(word)].strip()
    lower = word.lower()
    return (
        (len(word) == 1 and word.isalpha() and word < _FIRST_CJK)
        or _ABBREVIATION.fullmatch(lower) is not None
        or (_BEFORE_NUMBER.fullmatch(lower) is not None and following.isdigit())
        or (_BEFORE_LOWER.fullmatch(lower) is not None and following.islower())
    )


def best_cut(text: str, low: int, high: int) -> int:
    """Returns the best place in (low, high] to cut within a sentence.

    That is the last line end or else the last end of a clause, behind the first quarter, so that no piece is a scrap; else the last white
    space; else the last place between two characters as a reader sees them; else, where all is one such character, `high`.
    """
    earliest = low + (high - low) // 4
    newline = text.rfind("\n", earliest, high + 1)
    if newline > low:
        return newline
    clauses = [match.end() for match in _CLAUSE_END.finditer(text, earliest, min(high + 1, len(text))) if low < match.end() <= high]
    if clauses:
        return clauses[-1]
    spaces = [match.start() for match in _SPACE.finditer(text, low + 1, min(high + 1, len(text)))]
    if spaces:
        return spaces[-1]
    for place in range(high, low, -1):
        if not _is_inside_character(text, place, low):
            return place
    return high


def _is_inside_character(text: str, place: int, low: int) -> bool:
    if place >= len(text):
        return False
    before, after = text[place - 1], text[place]
    if after in _JOINERS or before in _JOINERS or unicodedata.category(after).startswith("M"):
        return True
    if any(first <= after <= last for first, last in _EXTENDING):
        return True
    if not (_REGIONAL[0] <= after <= _REGIONAL[1]):
        return False
    # Flags are pairs of these letters.
    num_before = 0
    while place - num_before > low and _REGIONAL[0] <= text[place - num_before - 1] <= _REGIONAL[1]:
        num_before += 1
    return num_before % 2 == 1
