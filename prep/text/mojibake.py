"""UTF-8 that was read as Latin-1 or Windows-1252: found by its shape, proven by reading it back, and repaired."""

import re
from functools import cache

# What Windows-1252 shows for the bytes 0x80 to 0xBF; the five bytes that it leaves undefined pass as Latin-1's control characters.
_BYTES = {bytes([code]).decode("cp1252") if code not in {0x81, 0x8D, 0x8F, 0x90, 0x9D} else chr(code): code for code in range(0x80, 0x100)}
_BYTES |= {chr(code): code for code in range(0x80, 0xA0)}
_TRAIL = "".join(re.escape(character) for character, code in _BYTES.items() if 0x80 <= code < 0xC0)
# Marks that also stand after a letter in sound text: quotes, dashes, dots, bullets, spaces.
_PUNCTUATION = set("\u2018\u2019\u201c\u201d\u201a\u201e\u2039\u203a\u2013\u2014\u2026\u2022\u2122\u00a0\u00ab\u00bb\u00b7\u00ad")
_SEQUENCE = re.compile(
    f"[\u00c3\u00c2\u00c4\u00c5][{_TRAIL}]|[\u00e2][{_TRAIL}]{{2}}|[\u00e0-\u00ef][{_TRAIL}]{{2}}|\u00f0[{_TRAIL}]{{3}}"
    f"|(?:[\u00d0\u00d1][{_TRAIL}]){{2,}}"
)

_C1 = re.compile("[\x80-\x9f]")

SIEVE = (
    r"[\x{c2}-\x{c5}\x{d0}\x{d1}\x{e0}-\x{f0}][\x{80}-\x{bf}\x{152}-\x{17e}\x{192}\x{2c6}\x{2dc}\x{2013}-\x{203a}\x{20ac}\x{2122}]"
    r"|[\x{80}-\x{9f}\x{fffd}]|[\x00-\x08\x0b\x0e-\x1f\x7f]"
)
"""A pattern for Polars that is true wherever this module could find something."""


def damaged_spans(text: str) -> list[tuple[int, int]]:
    """Returns the spans that read back as UTF-8, as `[start, end)`."""
    return [match.span() for match in _SEQUENCE.finditer(text) if _read_back(match) is not None]


def repair(text: str) -> str:
    """Returns the text with every such sequence read back, twice where it had been damaged twice.

    Control characters of Latin-1 that are left are what Windows-1252 has in their place, such as a dash for U+0096.
    """
    for _ in range(2):
        text = _SEQUENCE.sub(lambda match: _read_back(match) or match[0], text)
    return _C1.sub(lambda match: _decode_c1(match[0]), text)


def _decode_c1(character: str) -> str:
    try:
        return character.encode("latin-1").decode("cp1252")
    except UnicodeDecodeError:
        return character


def _read_back(match: re.Match[str]) -> str | None:
    sequence = match[0]
    trail = set(sequence[1:])
    before = match.string[match.start() - 1 : match.start()]
    if trail <= _PUNCTUATION and sequence[0] != "\u00e2" and (len(sequence) > 2 or before.isupper() or sequence[0] not in "\u00c2\u00c3"):
        return None  # a capital before a closing quote, or an accented letter before two marks, is sound text
    return _decode(sequence)


@cache
def _decode(sequence: str) -> str | None:
    try:
        return bytes(_BYTES[character] for character in sequence).decode("utf-8")
    except UnicodeDecodeError:
        return None
