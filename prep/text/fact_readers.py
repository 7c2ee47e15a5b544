"""How each kind of fact is spelled, and what it is worth: patterns, and the functions that read their matches.

Patterns are bounded (no nested repetition), as they run over untrusted text.
"""

import re
from decimal import Decimal

from prep.text.fact import Fact, Reader
from prep.text.fact_dates import DATE_READERS, TIME_READERS
from prep.text.fact_numbers import NUMBER, SPELLED, decimal_of, plain, scaled, spelled_of
from prep.text.number_words import MULTIPLES

_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Za-z]+")


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
    rf"(?<!\w)(US\$|A\$|C\$|[$\u20ac\u00a3\u00a5]|USD|EUR|GBP|CHF|CAD|AUD|JPY|INR|CNY|SEK|NOK|DKK|PLN)\s?({NUMBER}){_SUFFIX}",
    re.IGNORECASE,
)
_MONEY_AFTER = re.compile(
    rf"(?<![\w.,])({NUMBER}|{SPELLED}){_SUFFIX}[\s-]?(\u20ac|\u00a3|\$|(?:USD|EUR|GBP|CHF|CAD|AUD|JPY|INR|CNY|SEK|NOK|DKK|PLN|dollars?|bucks|"
    r"euros?|pounds(?! of\b)|quid|yen|francs?)\b)",
    re.IGNORECASE,
)
_PERCENT = re.compile(rf"(?<![\w.,])({NUMBER}|{SPELLED})\s?(?:%|(?:percent|per cent|pct)\b)", re.IGNORECASE)
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
    rf"(?<![\w.,/])(?:({NUMBER})(?:\s?(?:-|\u2013|to|or)\s?|/))?({NUMBER})[\s-]?"
    r"((?:mcg|[\u00b5\u03bc]g|ug|mg|mL|ml|g|cc|L|IU|mmol|mEq|[Mm]icrograms?|[Mm]illigrams?|[Gg]rams?|[Mm]illilit(?:re|er)s?|[Ll]it(?:re|er)s?|"
    r"[Ii]nternational units|[Uu]nits?))(?!\w|-\w|\s?/\s?(?:d?L|m?l|mol)\b)"
)
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
_NUMBER_PLAIN = re.compile(rf"(?<![\d.,])(?:{NUMBER})(?!\d)")
_NUMBER_SPELLED = re.compile(rf"{SPELLED}|\b(?:{'|'.join(MULTIPLES)})\b", re.IGNORECASE)


def _read_money_before(match: re.Match[str]) -> list[Fact]:
    currency = _CURRENCIES[match[1].lower()]
    return [Fact("money", f"{scaled(match[2], match[3])} {currency}", *match.span())]


def _read_money_after(match: re.Match[str]) -> list[Fact]:
    currency = _CURRENCIES[match[3].lower()]
    return [Fact("money", f"{scaled(match[1], match[2])} {currency}", *match.span())]


def _read_percent(match: re.Match[str]) -> list[Fact]:
    return [Fact("percent", scaled(match[1], None), *match.span())]


def _read_dose(match: re.Match[str]) -> list[Fact]:
    unit, factor = _DOSE_UNITS[match[3].lower()]

    def value(number: str) -> str:
        return f"{plain(decimal_of(number) * factor)} {unit}"

    first = [Fact("dose", value(match[1]), *match.span(1))] if match[1] else []
    return [*first, Fact("dose", value(match[2]), match.start(2), match.end())]


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
    return [Fact("number", plain(decimal_of(match[0])), *match.span())]


def _read_spelled(match: re.Match[str]) -> list[Fact]:
    word = match[0].lower()
    value = Decimal(MULTIPLES[word]) if word in MULTIPLES else spelled_of(word)
    return [Fact("number", plain(value), *match.span())]


# In order: what an earlier reader takes, a later one cannot. Each: the kind, its pattern, whether it needs a digit, and its reader.
READERS: tuple[Reader, ...] = (
    ("money", _MONEY_BEFORE, True, _read_money_before),
    ("money", _MONEY_AFTER, False, _read_money_after),
    ("percent", _PERCENT, False, _read_percent),
    *DATE_READERS,
    ("customer", _CUSTOMER, True, _read_customer),
    ("customer", _CUSTOMER_ASKED, True, _read_customer),
    *TIME_READERS,
    ("dose", _DOSE, True, _read_dose),
    ("code", _CODE, True, _read_code),
    ("number", _NUMBER_PLAIN, True, _read_number),
    ("number", _NUMBER_SPELLED, False, _read_spelled),
)
