"""What finders of identifiers share: the span, the text as patterns see it, and how overlapping finds are settled."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

PiiKind = Literal[
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "CREDIT_CARD",
    "IBAN_CODE",
    "US_SSN",
    "IP_ADDRESS",
    "MEDICAL_RECORD_NUMBER",
    "URL_CREDENTIALS",
    "URL",
    "SECRET",
    "PERSON",
    "LOCATION",
    "DATE_OF_BIRTH",
    "DATE",
    "AGE_OVER_89",
    "ZIP_CODE",
    "HEALTH_PLAN_NUMBER",
    "ACCOUNT_NUMBER",
    "LICENSE_NUMBER",
    "VEHICLE_ID",
    "DEVICE_ID",
]


@dataclass(frozen=True, slots=True)
class PiiSpan:
    """One identifier.

    Attributes:
        kind: what it is. A URL that carries a user and password is URL_CREDENTIALS; a plain URL identifies nobody by itself.
        start: where it begins in the text, in characters.
        end: where it ends, exclusive.
    """

    kind: PiiKind
    start: int
    end: int


Finder = Callable[[str], Iterator[PiiSpan]]

DIGIT = r"[0-9\x{FF10}-\x{FF19}]"
"""A digit as sieves see it, before `plain`."""
DASH_CHARACTERS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
SPACE_CHARACTERS = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000"
_PLAIN = str.maketrans(
    {
        **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
        **dict.fromkeys(DASH_CHARACTERS, "-"),
        **dict.fromkeys(SPACE_CHARACTERS, " "),
        "\uff20": "@",
        "\uff0b": "+",
        "\uff08": "(",
        "\uff09": ")",
        "\uff0e": ".",
        "\uff1a": ":",
    }
)


def plain(text: str) -> str:
    """Returns the text, of the same length, with dashes, spaces, digits and brackets of other widths as plain ASCII."""
    return text if text.isascii() else text.translate(_PLAIN)


def settle(text: str, finders: Iterable[Finder]) -> list[PiiSpan]:
    """Returns what the finders find, in order of appearance; what an earlier finder takes, a later one cannot."""
    spans: list[PiiSpan] = []
    taken = bytearray(len(text))  # a hostile text holds hundreds of thousands of finds: comparing them pairwise would not end
    seen = plain(text)
    for find in finders:
        for span in find(seen):
            if span.start < span.end and taken.find(1, span.start, span.end) < 0:
                taken[span.start : span.end] = b"\1" * (span.end - span.start)
                spans.append(span)
    return sorted(spans, key=lambda span: span.start)


def matches(kind: PiiKind, pattern: re.Pattern[str], text: str) -> Iterator[PiiSpan]:
    """Returns the spans of a pattern's group `value`, or of the whole match where it has none."""
    group = "value" if "value" in pattern.groupindex else 0
    for match in pattern.finditer(text):
        yield PiiSpan(kind, *match.span(group))


def before(text: str, start: int, length: int) -> str:
    """Returns the end of what stands before a place."""
    return text[max(start - length, 0) : start]


def words(text: str) -> frozenset[str]:
    """Returns the words of a list."""
    return frozenset(text.split())


def digits_of(text: str) -> str:
    """Returns the ASCII digits of a text."""
    return "".join(character for character in text if "0" <= character <= "9")


NAMED_OTHERWISE = re.compile(
    r"(?i)\b(?:order|invoice|ref|reference|ticket|case|tracking|parcel|shipment|waybill|serial|part|model|item|product|catalog(?:ue)?|sku|isbn"
    r"|issn|doi|customer|client|account|acct|iban|policy|claim|booking|reservation|confirmation|contract|patent|licen[cs]e|vat|tax|upc|ean"
    r"|gtin|imei|batch|lot|version|build|id|mrn|record|zip|postcode|transaction|txn|member(?:ship)?|document|file|job|po|rma|pin|passport"
    r"|commit|build|hash|bug|issue|pr|article|section|clause|pages?|pp|chapter|verse|score|coordinates?|timestamp|epoch|ver|v)(?:'s)?"
    # A stop behind a short form belongs to it; behind "account" it ends the sentence, and the number that follows is another's.
    r"(?:(?<=ref)\.|(?<=acct)\.|(?<=ver)\.|(?<=\bv)\.|(?<=pp)\.|(?<=txn)\.|(?<=id)\.)?"
    r"(?: (?:number|num|no|nr|id|code|license)\b\.?)?[ ]?(?:is|was|of|[:#=])?[ #]{0,2}$"
)
"""Ends where a word says that the number that follows is an order's, an invoice's, a part's."""
IN_ARITHMETIC = re.compile(r"[0-9][ ]?[-+*/=\u00d7\u00f7][ ]?$|[0-9]\s{0,2}\n\s{0,2}[-+*/=]\s{0,2}$|=\s{0,3}$")
"""Ends where the number that follows is a term of a sum."""
