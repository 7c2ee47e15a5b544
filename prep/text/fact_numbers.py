"""Numbers in facts: in digits, however grouped, and in words."""

import re
from decimal import Decimal, InvalidOperation

from prep.text.number_words import CARDINALS, SCALES

_WORD = "|".join([*CARDINALS, *SCALES])
SPELLED = rf"\b(?:{_WORD})\b(?:(?:[ -]|[ -]and[ -])(?:{_WORD})\b){{0,9}}"
_DIGITS = r"\d{1,3}(?:[,\u00a0\u202f']\d{3}){1,5}(?:\.\d{1,6})?|\d{1,3}(?:\.\d{3}){1,5},\d{1,2}|\d{1,18}(?:[.,]\d{1,6})?"
NUMBER = rf"(?:{_DIGITS})"
_SUFFIXES = {"k": 3, "thousand": 3, "m": 6, "mn": 6, "million": 6, "bn": 9, "b": 9, "billion": 9}


def decimal_of(text: str) -> Decimal:
    """Reads a number: a comma before three digits groups, any other separates the decimals, as does the last of two kinds."""
    text = re.sub(r"[\u00a0\u202f']", "", text)
    if "," in text and "." in text:
        group, point = (",", ".") if text.rfind(".") > text.rfind(",") else (".", ",")
        text = text.replace(group, "").replace(point, ".")
    elif re.fullmatch(r"\d{1,3}(?:,\d{3})+", text):
        text = text.replace(",", "")
    else:
        text = text.replace(",", ".")
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)


def spelled_of(text: str) -> Decimal:
    """Reads a number in words: "two thousand and five" is 2005."""
    total = current = 0
    for word in re.split(r"[ -]+", text.lower()):
        if word in CARDINALS:
            current += CARDINALS[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in SCALES:
            total += max(current, 1) * SCALES[word]
            current = 0
    return Decimal(total + current)


def plain(value: Decimal) -> str:
    """Writes a number without an exponent and without zeros at its end."""
    return f"{value.normalize():f}"


def scaled(number: str, suffix: str | None) -> str:
    """Reads a number with what may stand behind it, as in 3 million or 3m."""
    value = decimal_of(number) if number[0].isdigit() else spelled_of(number)
    return plain(value.scaleb(_SUFFIXES[suffix.lower()]) if suffix else value)
