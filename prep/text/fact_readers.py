"""How each kind of fact is spelled, and what it is worth: patterns, and the functions that read their matches.

Patterns are bounded (no nested repetition), as they run over untrusted text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import get_args

from prep.text.number_words import CARDINALS, MONTH_NUMBERS, MONTHS, MULTIPLES, SCALES, UNITS
from templates.header import FactKind

FACT_KINDS: tuple[FactKind, ...] = get_args(FactKind)


@dataclass(frozen=True, slots=True)
class Fact:
    """One typed fact.

    Attributes:
        kind: what it is.
        value: its normalised form; several readings are joined by "|".
        start: where it begins in the text, in characters.
        end: where it ends, exclusive.
    """

    kind: FactKind
    value: str
    start: int
    end: int


_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Za-z]+")
_WORD = "|".join([*CARDINALS, *SCALES])
_SPELLED = rf"\b(?:{_WORD})\b(?:(?:[ -]|[ -]and[ -])(?:{_WORD})\b){{0,9}}"
_DIGITS = r"\d{1,3}(?:[,\u00a0\u202f']\d{3}){1,5}(?:\.\d{1,6})?|\d{1,3}(?:\.\d{3}){1,5},\d{1,2}|\d{1,18}(?:[.,]\d{1,6})?"
_NUMBER = rf"(?:{_DIGITS})"
_SUFFIXES = {"k": 3, "thousand": 3, "m": 6, "mn": 6, "million": 6, "bn": 9, "b": 9, "billion": 9}


def _decimal(text: str) -> Decimal:
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


def _spelled(text: str) -> Decimal:
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


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _scaled(number: str, suffix: str | None) -> str:
    value = _decimal(number) if number[0].isdigit() else _spelled(number)
    return _plain(value.scaleb(_SUFFIXES[suffix.lower()]) if suffix else value)


# --- the readers of each kind ----------------------------------------------------------------------------------------------------

_CURRENCIES = {
    **dict.fromkeys(("$", "us$", "usd", "dollar", "dollars", "bucks"), "USD"),
    **dict.fromkeys(("€", "eur", "euro", "euros"), "EUR"),
    **dict.fromkeys(("£", "gbp", "pound", "pounds", "quid"), "GBP"),
    **dict.fromkeys(("¥", "jpy", "yen"), "JPY"),
    **dict.fromkeys(("chf", "franc", "francs"), "CHF"),
    **{symbol: symbol.upper() for symbol in ("cad", "aud", "inr", "cny", "sek", "nok", "dkk", "pln")},
    "a$": "AUD",
    "c$": "CAD",
}
_SUFFIX = r"(?:\s?(k|mn|bn|m|b|thousand|million|billion)\b)?"
_MONEY_BEFORE = re.compile(
    rf"(?<!\w)(US\$|A\$|C\$|[$\u20ac\u00a3\u00a5]|USD|EUR|GBP|CHF|CAD|AUD|JPY|INR|CNY|SEK|NOK|DKK|PLN)\s?({_NUMBER}){_SUFFIX}",
    re.IGNORECASE,
)
_MONEY_AFTER = re.compile(
    rf"(?<![\w.,])({_NUMBER}|{_SPELLED}){_SUFFIX}[\s-]?(\u20ac|\u00a3|\$|(?:USD|EUR|GBP|CHF|CAD|AUD|JPY|INR|CNY|SEK|NOK|DKK|PLN|dollars?|bucks|"
    r"euros?|pounds(?! of\b)|quid|yen|francs?)\b)",
    re.IGNORECASE,
)
_PERCENT = re.compile(rf"(?<![\w.,])({_NUMBER}|{_SPELLED})\s?(?:%|(?:percent|per cent|pct)\b)", re.IGNORECASE)
_DOSE_UNITS: dict[str, tuple[str, Decimal]] = {
    **{unit: ("mg", Decimal("0.001")) for unit in ("mcg", "\u00b5g", "\u03bcg", "ug", "microgram", "micrograms")},
    **{unit: ("mg", Decimal(1)) for unit in ("mg", "milligram", "milligrams")},
    **{unit: ("mg", Decimal(1000)) for unit in ("g", "gram", "grams")},
    **{unit: ("mL", Decimal(1)) for unit in ("ml", "cc", "millilitre", "millilitres", "milliliter", "milliliters")},
    **{unit: ("mL", Decimal(1000)) for unit in ("l", "litre", "litres", "liter", "liters")},
    **{unit: ("units", Decimal(1)) for unit in ("units", "unit", "iu", "international units")},
    **{unit: ("mmol", Decimal(1)) for unit in ("mmol",)},
    **{unit: ("mEq", Decimal(1)) for unit in ("meq",)},
}
_DOSE = re.compile(
    rf"(?<![\w.,/])(?:({_NUMBER})(?:\s?(?:-|\u2013|to|or)\s?|/))?({_NUMBER})[\s-]?"
    r"((?:mcg|[\u00b5\u03bc]g|ug|mg|mL|ml|g|cc|L|IU|mmol|mEq|[Mm]icrograms?|[Mm]illigrams?|[Gg]rams?|[Mm]illilit(?:re|er)s?|[Ll]it(?:re|er)s?|"
    r"[Ii]nternational units|[Uu]nits?))(?!\w|-\w|\s?/\s?(?:d?L|m?l|mol)\b)"
)
# "may" and "march" are other words too: without a capital they are no months, and "MAY" is none in a text of capitals.
_MONTH_SPELLINGS = [
    *(f"{name[:3].title()}(?:{name[3:]})?" for name in MONTHS),
    "Sept",
    *(name for name in MONTHS if name not in {"march", "may"}),
    *(f"{name[:3].upper()}(?:{name[3:].upper()})?" for name in MONTHS if name != "may"),
]
_MONTH = rf"(?:{'|'.join(_MONTH_SPELLINGS)})\b\.?"
_DATE_ISO = re.compile(r"(?<![\w-])(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?![\d-])")
_DATE_NUMERIC = re.compile(r"(?<![\w/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-])")
_DATE_DAY_MONTH = re.compile(rf"(?<![\w.,/-])(\d{{1,2}})(?:st|nd|rd|th)?[ -](?:of )?({_MONTH})(?:,?[ -](\d{{4}})(?!\d))?")
_DATE_MONTH_DAY = re.compile(rf"\b({_MONTH})[ -](?:the )?(\d{{1,2}})(?:st|nd|rd|th)?(?![\d:]|[.,]\d|\s?%)(?:,? (\d{{4}})(?!\d))?")
_DATE_MONTH_YEAR = re.compile(rf"\b({_MONTH})(?: of)?,? (\d{{4}})(?!\d)")
_TIME_CLOCK = re.compile(r"(?<![\w:.,])(\d{1,2}):([0-5]\d)(?::[0-5]\d)?(?:\s?([ap])\.?\s?m\b\.?)?(?![\d:])", re.IGNORECASE)
_TIME_MERIDIEM = re.compile(rf"(?<![\w:.,])(\d{{1,2}}|(?:{'|'.join(UNITS[1:13])})\b)(?:[.:]([0-5]\d))?\s?([ap])\.?\s?m\b\.?", re.IGNORECASE)
_TIME_OCLOCK = re.compile(rf"(?<![\w:.,])(\d{{1,2}}|(?:{'|'.join(UNITS[1:13])})\b)\s?o['\u2019]clock", re.IGNORECASE)
# "customer: 800 screws" is a speaker's turn, so that a bare colon counts only where the number stands alone.
_CUSTOMER = re.compile(
    r"\b(?:customer|client|account|acct|member|membership|patient)(?:'s)?"
    r"(?:\s?(?:(?:number|no|nr|num|id)\b\.?|#)\s?(?:is|was|[:=#])?\s?#?|\s|:\s?(?=\d{4,12}\s{0,3}(?:[.,;\n]|$)))"
    r"(?P<value>\d{3,12})(?![\w%]|[.,:/-]\d)",
    re.IGNORECASE,
)
# The number is asked for by one speaker and given by the other.
_CUSTOMER_ASKED = re.compile(
    r"\b(?:customer|client|account|member|membership) (?:number|no|id)\b[^?\d]{0,40}\?[^\d?]{0,60}"
    r"(?<![\w$\u20ac\u00a3.-])(?P<value>\d{3,12})(?![\w%]|[.,:/-]\d)",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"(?<![\w/.@-])(?=[A-Za-z0-9_/-]{0,24}\d)(?=[A-Za-z0-9_/-]{0,24}[A-Za-z])[A-Za-z0-9]{1,16}(?:[-_/][A-Za-z0-9]{1,16}){0,5}(?![\w@])"
)
# Letters before or after digits that make a period, an edition or a measure, not a code.
_NO_CODE = re.compile(
    r"(?:FY|CY|Q|H|W|WK|CW|CLASS|LEVEL|ROUND|PHASE|TYPE|VOL|V|X)\d{1,4}(?:[-/]\d{1,4})?"
    r"|\d{1,6}(?:ST|ND|RD|TH|S|X|H|HR|HRS|MIN|MINS|SEC|MS|KM|CM|MM|KG|LB|LBS|OZ|FT|IN|GB|MB|TB|KB|MHZ|GHZ|HZ|KW|KWH|W|V|MAH|MP|P|K|M|BN|D|WK|WKS|YO|F|C"
    r"|MG|MCG|ML|L|G|MMHG|BPM|PX|DPI|AM|PM)"
    r"|(?:COVID|GCSE|MP|H|U|B|T|L|C|S|CD|WD|PM)-?\d{1,2}",
    re.IGNORECASE,
)
_NUMBER_PLAIN = re.compile(rf"(?<![\d.,])(?:{_NUMBER})(?!\d)")
_NUMBER_SPELLED = re.compile(rf"{_SPELLED}|\b(?:{'|'.join(MULTIPLES)})\b", re.IGNORECASE)


def _read_money_before(match: re.Match[str]) -> list[Fact]:
    currency = _CURRENCIES[match[1].lower()]
    return [Fact("money", f"{_scaled(match[2], match[3])} {currency}", *match.span())]


def _read_money_after(match: re.Match[str]) -> list[Fact]:
    currency = _CURRENCIES[match[3].lower()]
    return [Fact("money", f"{_scaled(match[1], match[2])} {currency}", *match.span())]


def _read_percent(match: re.Match[str]) -> list[Fact]:
    return [Fact("percent", _scaled(match[1], None), *match.span())]


def _read_dose(match: re.Match[str]) -> list[Fact]:
    unit, factor = _DOSE_UNITS[match[3].lower()]

    def value(number: str) -> str:
        return f"{_plain(_decimal(number) * factor)} {unit}"

    first = [Fact("dose", value(match[1]), *match.span(1))] if match[1] else []
    return [*first, Fact("dose", value(match[2]), match.start(2), match.end())]


def _date(year: int | None, month: int, day: int | None) -> str | None:
    if not 1 <= month <= 12 or (day is not None and not 1 <= day <= 31):
        return None
    return "-".join(("*" if year is None else f"{year:04d}", f"{month:02d}", "*" if day is None else f"{day:02d}"))


def _date_fact(match: re.Match[str], *readings: str | None) -> list[Fact]:
    value = "|".join(dict.fromkeys(reading for reading in readings if reading))
    return [Fact("date", value, *match.span())] if value else []


def _read_iso(match: re.Match[str]) -> list[Fact]:
    return _date_fact(match, _date(int(match[1]), int(match[2]), int(match[3])))


def _read_numeric(match: re.Match[str]) -> list[Fact]:
    first, second, year = int(match[1]), int(match[3]), int(match[4])
    year += 2000 if len(match[4]) == 2 else 0
    return _date_fact(match, *sorted(filter(None, (_date(year, first, second), _date(year, second, first)))))


def _month(name: str) -> int:
    return MONTH_NUMBERS[name.lower().rstrip(".")]


def _read_day_month(match: re.Match[str]) -> list[Fact]:
    return _date_fact(match, _date(int(match[3]) if match[3] else None, _month(match[2]), int(match[1])))


def _read_month_day(match: re.Match[str]) -> list[Fact]:
    return _date_fact(match, _date(int(match[3]) if match[3] else None, _month(match[1]), int(match[2])))


def _read_month_year(match: re.Match[str]) -> list[Fact]:
    return _date_fact(match, _date(int(match[2]), _month(match[1]), None))


def _time_fact(match: re.Match[str], hour: int, minute: str | None, half: str | None) -> list[Fact]:
    if hour > (12 if half else 24) or (half and hour == 0):
        return []
    if half:
        hours = [hour % 12 + (12 if half.lower() == "p" else 0)]
    else:
        hours = sorted({hour % 24, (hour + 12) % 24} if 1 <= hour <= 12 else {hour % 24})
    return [Fact("time", "|".join(f"{reading:02d}:{minute or '00'}" for reading in hours), *match.span())]


def _hour(text: str) -> int:
    return int(text) if text.isdigit() else CARDINALS[text.lower()]


def _read_clock(match: re.Match[str]) -> list[Fact]:
    return _time_fact(match, int(match[1]), match[2], match[3])


def _read_meridiem(match: re.Match[str]) -> list[Fact]:
    return _time_fact(match, _hour(match[1]), match[2], match[3])


def _read_oclock(match: re.Match[str]) -> list[Fact]:
    return _time_fact(match, _hour(match[1]), None, None)


def _read_customer(match: re.Match[str]) -> list[Fact]:
    return [Fact("customer", _NOT_ALPHANUMERIC.sub("", match["value"]).upper(), *match.span("value"))]


def _read_code(match: re.Match[str]) -> list[Fact]:
    text = match[0]
    if not _is_code(text):
        return []
    return [Fact("code", _NOT_ALPHANUMERIC.sub("", text).upper(), *match.span())]


def _is_code(text: str) -> bool:
    """Letters and digits that name a thing: upper case with three digits or more, or lower case with a part that mixes the two."""
    if _NO_CODE.fullmatch(text) or "://" in text:
        return False
    parts = re.split(r"[-_/]", text)
    digits = sum(character.isdigit() for character in text)
    mixed = [part for part in parts if part.isalnum() and not part.isdigit() and not part.isalpha()]
    if any(_NO_CODE.fullmatch(part) for part in mixed) and len(parts) > 1 and len(mixed) == 1:
        return False
    words = [part for part in parts if part.isalpha()]
    if any(not word.isupper() for word in words):
        return False  # "mid-2024", "Form-1040", "24-month"
    if any(len(word) > 5 for word in words) and not mixed:
        return False
    if mixed and all(part == part.lower() for part in mixed):
        return digits >= 3 and len(parts) > 1
    return digits >= 3 or (digits >= 2 and len(text) >= 5 and bool(mixed) and len(parts) > 1)


def _read_number(match: re.Match[str]) -> list[Fact]:
    return [Fact("number", _plain(_decimal(match[0])), *match.span())]


def _read_spelled(match: re.Match[str]) -> list[Fact]:
    word = match[0].lower()
    value = Decimal(MULTIPLES[word]) if word in MULTIPLES else _spelled(word)
    return [Fact("number", _plain(value), *match.span())]


# In order: what an earlier reader takes, a later one cannot. Each: the kind, its pattern, whether it needs a digit, and its reader.
READERS: tuple[tuple[FactKind, re.Pattern[str], bool, Callable[[re.Match[str]], list[Fact]]], ...] = (
    ("money", _MONEY_BEFORE, True, _read_money_before),
    ("money", _MONEY_AFTER, False, _read_money_after),
    ("percent", _PERCENT, False, _read_percent),
    ("date", _DATE_ISO, True, _read_iso),
    ("date", _DATE_NUMERIC, True, _read_numeric),
    ("date", _DATE_DAY_MONTH, True, _read_day_month),
    ("date", _DATE_MONTH_DAY, True, _read_month_day),
    ("date", _DATE_MONTH_YEAR, True, _read_month_year),
    ("customer", _CUSTOMER, True, _read_customer),
    ("customer", _CUSTOMER_ASKED, True, _read_customer),
    ("time", _TIME_CLOCK, True, _read_clock),
    ("time", _TIME_MERIDIEM, False, _read_meridiem),
    ("time", _TIME_OCLOCK, False, _read_oclock),
    ("dose", _DOSE, True, _read_dose),
    ("code", _CODE, True, _read_code),
    ("number", _NUMBER_PLAIN, True, _read_number),
    ("number", _NUMBER_SPELLED, False, _read_spelled),
)
