"""Personal identifiers in text: found by pattern and, where there is one, by checksum.

Whole columns are first sifted by `may_hold_pii`, one expression for Polars' linear-time regex engine; spans are then found exactly, by
bounded patterns, in the few rows that remain.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

PiiKind = Literal[
    "EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS", "MEDICAL_RECORD_NUMBER", "URL_CREDENTIALS", "URL"
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


def find_pii(text: str) -> list[PiiSpan]:
    """Returns the identifiers in a text, in order of appearance; no two overlap."""
    spans: list[PiiSpan] = []
    for find in _FINDERS:
        for span in find(text):
            if all(span.end <= other.start or other.end <= span.start for other in spans):
                spans.append(span)
    return sorted(spans, key=lambda span: span.start)


def mask(text: str) -> str:
    """Returns the text with each identifier replaced by its kind in brackets. Plain URLs stay: they say where a text is from."""
    for span in reversed(find_pii(text)):
        if span.kind != "URL":
            text = f"{text[: span.start]}[{span.kind}]{text[span.end :]}"
    return text


def may_hold_pii(expr: pl.Expr) -> pl.Expr:
    """Returns a boolean expression that is true wherever `find_pii` could find something; null gives null."""
    return expr.str.contains(_SIEVE)


_SIEVE = "|".join(
    (
        r"[A-Za-z0-9]@[A-Za-z0-9]",
        r"(?i:(?:https?|ftp)://|www\.)",
        r"(?:[0-9][ ()./\x{a0}-]{0,5}){7}",
        r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}",
        r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:",
        r"(?i:[A-Z]{2}[0-9]{2}[ -]?[A-Z0-9]{4})",
        r"(?i:\bmrn\b|medical record|hospital n|chart n)",
    )
)

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+'-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}"
)
_URL = re.compile(r"(?i)\b(?:(?:https?|ftp)://|www\.)[^\s<>\"'`\u201c\u201d|\\^{}]{1,2000}")
_URL_CREDENTIALS = re.compile(r"(?i)^(?:https?|ftp)://[^/@\s:]{1,200}:[^/@\s]{1,200}@")
_CARD = re.compile(r"(?<![\w.-])[1-6][0-9](?:[ -]?[0-9]){10,17}(?![\w-]|\.[0-9])")
_CARD_NUMBERS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    r"|(?:5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12})"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11}"  # Diners
    r"|(?:6011|65[0-9]{2}|64[4-9][0-9])[0-9]{12,15}"  # Discover
    r"|(?:35(?:2[89]|[3-8][0-9])[0-9]{12}|(?:2131|1800)[0-9]{11})"  # JCB
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{8,15}"  # Maestro
    r"|62[0-9]{14,17}"  # UnionPay
)
_CARD_WORD = re.compile(r"(?i)\b(?:cards?|cc|visa|mastercard|amex|maestro|debit|credit)\b")
_CARD_CUE = re.compile(r"(?i)\b(?:card|cc)(?: ?(?:number|no\.?|#))?[?:]?(?: is| was)? ?$")
_IBAN = re.compile(r"(?i)(?<![A-Z0-9])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}")
# Length a country, from the SWIFT IBAN registry.
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH CR HR LI LV",
        22: "BG BH DE GB GE IE ME RS VA", 23: "AE IL IQ TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST",
        26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA",
        30: "JO KW MU", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_SSN = re.compile(r"(?<![\w.-])(?!000|666)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-]|\.[0-9])")
_SSN_BARE = re.compile(
    r"(?i)\b(?:ssn|social security(?: number| no\.?)?)[:# ]{1,3}(?:is )?(?P<value>[0-9]{9}|[0-9]{3} [0-9]{2} [0-9]{4})(?![0-9])"
)
_IP4 = re.compile(r"(?<![\w.-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w/-]|\.[0-9])")
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_VERSION_BEFORE = re.compile(r"(?i)(?:\bv(?:er(?:sion)?)?\.?|\brelease|\bbuild|\bfirmware|\bsection|\bclause|\u00a7)[ :#]{0,2}$")
_RECORD = re.compile(
    r"(?i)\b(?:mrn|medical record(?: (?:number|no\.?|#))?|hospital (?:number|no\.?)|chart (?:number|no\.?|#))"
    r"[ ]?(?:is|was|[:#=])?[ ]{0,2}#?(?P<value>[A-Z]{0,3}-?[0-9][0-9-]{2,11}[0-9])(?![\w/])"
)
_ARITHMETIC = re.compile(r"[0-9][ ]?[-+*/=\u00d7][ ]?$|[0-9]\s{0,2}\n\s{0,2}[-+*/=]\s{0,2}$|=\s{0,3}$")
_PHONE_SEPARATOR = r"(?:[ \u00a0]?[(.\-/][ ]?|\)[ \-/]{0,3}|[ \u00a0])?"
_PHONE = re.compile(
    rf"(?<![\w.,@#$\u20ac\u00a3/=:+-])(?:\+|\()?[0-9]{_PHONE_SEPARATOR}(?:[0-9]{_PHONE_SEPARATOR}){{5,15}}[0-9]"
    r"(?:[ ]?(?:x|ext\.?)[ ]?[0-9]{1,5})?(?![\w@%]|[.,:/-][0-9])"
)
_PHONE_CUE = re.compile(
    r"(?i)\b(?:tele?(?:phone)?s?|phones?|mobile|cell(?:phone)?|fax|desk|hotline|helpline|whatsapp|sms|text(?:ed|ing)?|call(?:ed|ing)?"
    r"|ring|dial(?:led)?|reach (?:me|us|him|her|them)|contact (?:me|us|him|her|them)|answering at|messages to|(?:my|his|her|our) number)"
    r"\b\.?[^0-9\n.!?]{0,28}\n?[^0-9A-Za-z]{0,3}$"
)
_NOT_A_PHONE = re.compile(
    r"(?i)\b(?:order|invoice|ref|reference|ticket|case|tracking|parcel|serial|part|model|item|sku|isbn|issn|doi|customer|client|account|acct"
    r"|card|iban|policy|claim|booking|reservation|confirmation|contract|patent|licen[cs]e|vat|tax|upc|ean|imei|batch|lot|version|id|mrn"
    r"|record|zip|postcode)(?:'s)?(?: (?:number|no|nr|id|code|license)\b\.?)?[ ]?(?:is|was|of|[:#=])?[ #]{0,2}$"
)
_PHONE_CUE_AFTER = re.compile(r"(?i)[ -]{1,2}\(?(?:office|fax|mobile|cell|home|work|landline)\b")
_DATE_LIKE = re.compile(
    r"(?:19|20)[0-9]{2}[-/. ][0-9]{1,2}[-/. ][0-9]{1,2}(?:[ ].*)?|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ](?:19|20)[0-9]{2}(?:[ ].*)?"
    r"|(?:19|20)[0-9]{2} ?[-/] ?(?:19|20)[0-9]{2}"
)
_NORTH_AMERICAN = re.compile(r"(?:1[-. ])?(?:\([2-9][0-9]{2}\)[-. ]{0,2}|[2-9][0-9]{2}[-.])[2-9][0-9]{2}[-. ][0-9]{4}")
_NATIONAL = re.compile(r"0[0-9]{1,4}(?:[ -]|/[ ]?)[0-9]{2,8}(?:[ -][0-9]{2,5}){0,4}")
_AREA_IN_PARENTHESES = re.compile(r"\([0-9]{2,5}\)[ -]{0,2}[0-9]{2,5}(?:[ -]?[0-9]{2,5}){1,3}")


def _spans(kind: PiiKind, pattern: re.Pattern[str], text: str) -> Iterator[PiiSpan]:
    group = "value" if "value" in pattern.groupindex else 0
    for match in pattern.finditer(text):
        yield PiiSpan(kind, *match.span(group))


def _find_urls(text: str) -> Iterator[PiiSpan]:
    for match in _URL.finditer(text):
        url = match[0].rstrip(".,;:!?)]*_~")
        if url.count("(") > url.count(")") and match[0][len(url) :].startswith(")"):
            url += ")"
        if "." in url or "://" in url:
            kind: PiiKind = "URL_CREDENTIALS" if _URL_CREDENTIALS.match(url) else "URL"
            yield PiiSpan(kind, match.start(), match.start() + len(url))


def _find_emails(text: str) -> Iterator[PiiSpan]:
    return (span for span in _spans("EMAIL_ADDRESS", _EMAIL, text) if not text.startswith("git@", span.start))


def _find_ibans(text: str) -> Iterator[PiiSpan]:
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[0][:2].upper(), 0)
        end = match.start()
        digits = ""
        while len(digits) < length and end < match.end():
            if text[end].isalnum():
                digits += text[end]
            end += 1
        # mod 97, ISO 13616: letters count from A = 10, the first four characters go last.
        if length and len(digits) == length and int("".join(str(int(c, 36)) for c in digits[4:] + digits[:4])) % 97 == 1:
            yield PiiSpan("IBAN_CODE", match.start(), end)


def _find_cards(text: str) -> Iterator[PiiSpan]:
    for span in _spans("CREDIT_CARD", _CARD, text):
        number = re.sub(r"[ -]", "", text[span.start : span.end])
        before = text[max(span.start - 60, 0) : span.start]
        if not _luhn(number) or _ARITHMETIC.search(before):
            continue
        # One bare number in ten passes the check by chance: without the groups of a card it takes the word beside it.
        named = _CARD_WORD.search(before) or _CARD_WORD.search(text, span.end, span.end + 30)
        if (_CARD_NUMBERS.fullmatch(number) and (named or len(number) < span.end - span.start)) or _CARD_CUE.search(before):
            yield span


def _luhn(number: str) -> bool:
    doubled = [int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _find_ssns(text: str) -> Iterator[PiiSpan]:
    yield from _spans("US_SSN", _SSN, text)
    yield from _spans("US_SSN", _SSN_BARE, text)


def _find_ips(text: str) -> Iterator[PiiSpan]:
    for span in [*_spans("IP_ADDRESS", _IP4, text), *_spans("IP_ADDRESS", _IP6, text)]:
        try:
            address = ipaddress.ip_address(text[span.start : span.end])
        except ValueError:
            continue
        before = text[max(span.start - 12, 0) : span.start]
        if not (address.is_loopback or address.is_unspecified or _VERSION_BEFORE.search(before)):
            yield span


def _find_records(text: str) -> Iterator[PiiSpan]:
    return _spans("MEDICAL_RECORD_NUMBER", _RECORD, text)


def _find_phones(text: str) -> Iterator[PiiSpan]:
    for match in _PHONE.finditer(text):
        number = match[0]
        start = match.start()
        if number.count("(") > number.count(")") and number.startswith("("):
            number, start = number[1:], start + 1
        if _is_phone(number, text[max(start - 40, 0) : start], text[match.end() : match.end() + 12]):
            yield PiiSpan("PHONE_NUMBER", start, match.end())


def _is_phone(number: str, before: str, after: str) -> bool:
    """Judges by the shape alone where it is a telephone's, else asks for a word such as "call" beside it."""
    number = number.partition("x")[0].partition("e")[0].rstrip()  # without the extension
    num_digits = sum(character.isdigit() for character in number)
    if not 7 <= num_digits <= 15 or number.count("(") != number.count(")"):
        return False
    if _DATE_LIKE.fullmatch(number) or _NOT_A_PHONE.search(before) or _ARITHMETIC.search(before):
        return False
    if number.startswith("+"):
        return num_digits >= 9
    if _NORTH_AMERICAN.fullmatch(number):
        return True
    if 9 <= num_digits <= 12 and (_NATIONAL.fullmatch(number) or _AREA_IN_PARENTHESES.fullmatch(number)):
        return True
    return bool(_PHONE_CUE.search(before) or _PHONE_CUE_AFTER.match(after))


# In order: what an earlier finder takes, a later one cannot.
_FINDERS: tuple[Callable[[str], Iterator[PiiSpan]], ...] = (
    _find_urls,
    _find_emails,
    _find_ibans,
    _find_cards,
    _find_ssns,
    _find_ips,
    _find_records,
    _find_phones,
)
