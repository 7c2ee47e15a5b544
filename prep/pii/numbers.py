"""Numbers that name a person or an account and carry a check: cards, bank accounts, social security, medical records."""

import re
from collections.abc import Iterator

from prep.pii.spans import DASH_CHARACTERS, DIGIT, IN_ARITHMETIC, NAMED_OTHERWISE, SPACE_CHARACTERS, PiiSpan, before, digits_of, matches

_SIEVE_SEPARATORS = "".join(rf"\x{{{ord(character):04X}}}" for character in DASH_CHARACTERS + SPACE_CHARACTERS)
_SIEVE_SEPARATOR = rf"[ ()./\x{{FF08}}\x{{FF09}}\x{{FF0E}}{_SIEVE_SEPARATORS}-]"
SIEVES = (
    rf"(?:{DIGIT}{_SIEVE_SEPARATOR}{{0,5}}){{7}}",
    rf"(?i:[A-Z]{{2}}{DIGIT}{{2}}{_SIEVE_SEPARATOR}?[A-Z0-9\x{{FF10}}-\x{{FF19}}]{{4}})",
    r"(?i:\bmrn\b|medical record|hospital n|chart n)",
)

_CARD = re.compile(
    r"(?<![A-Za-z0-9_.-])(?:"
    r"[0-9]{4}(?P<four>[ .-])[0-9]{4}(?P=four)[0-9]{4}(?P=four)[0-9]{4}(?:(?P=four)[0-9]{3}(?![0-9]))?"
    r"|[0-9]{4}(?P<six>[ .-])[0-9]{6}(?P=six)[0-9]{4,5}"
    r"|6[0-9]{5}(?P<long>[ .-])[0-9]{13}"
    r"|[0-9]{12,19}"
    r")(?![A-Za-z0-9_]|-[A-Za-z0-9]|\.[0-9])"
)
_CARD_NUMBERS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    r"|(?:5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12})"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11}"  # Diners
    r"|(?:6011|65[0-9]{2}|64[4-9][0-9])[0-9]{12,15}"  # Discover
    r"|(?:35(?:2[89]|[3-8][0-9])[0-9]{12}|(?:2131|1800)[0-9]{11})"  # JCB
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{8,15}"  # Maestro
    r"|62[0-9]{14,17}"  # UnionPay
    r"|220[0-4][0-9]{12}"  # Mir
    r"|(?:60|65|81|82|508)[0-9]{13,14}"  # RuPay
)
_CARD_WORD = re.compile(
    r"(?i)(?:\b(?:cards?|cc|visa|mastercard|amex|american express|maestro|discover|diners|unionpay|debit|credit|payment|charged?|paid"
    r"|billing)\b|karte|carte|tarjeta|carta|\u5361)"
)
_CARD_CUE = re.compile(r"(?i)\b(?:card|cc)(?: ?(?:number|num|no\.?|#))?[?:]?(?: is| was)?[ :]{0,2}$")
# Looked at without moving on: two accounts may stand side by side, and only the country says where the first ends.
_IBAN = re.compile(r"(?i)(?<![A-Z0-9])(?=(?P<value>[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}))")
# Length a country, from the SWIFT IBAN registry.
IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH CR HR LI LV",
        22: "BG BH DE GB GE IE ME RS VA", 23: "AE IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST",
        26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA",
        30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_SSN = re.compile(
    r"(?<![A-Za-z0-9_.-])(?!000|666)[0-9]{3}(?P<separator>[-. ]?)(?!00)[0-9]{2}(?P=separator)"
    r"(?!0000)[0-9]{4}(?![A-Za-z0-9_]|-[A-Za-z0-9]|\.[0-9])"
)
_SSN_CUE = re.compile(
    r"(?i)\b(?:ssn|ss ?#|socials?|social security|soc\.? sec\.?|itin|taxpayer id)\b(?: (?:number|no\.?|num|#))?"
    r"[^0-9\n]{0,25}\n?[^0-9\nA-Za-z]{0,5}$"
)
_RECORD = re.compile(
    r"(?i)\b(?:mrn|medical record(?: (?:number|no\.?|#))?|hospital (?:number|no\.?)|chart (?:number|no\.?|#))"
    r"[ ]?(?:is|was|[:#=])?[ ]{0,2}#?(?P<value>[A-Z]{0,3}-?[0-9][0-9-]{2,11}[0-9])(?![A-Za-z0-9_/])"
)


def luhn(number: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1 (Luhn 1960)."""
    doubled = [int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def mod97(account: str) -> int:
    """Returns an IBAN's remainder (ISO 13616; 1 where it is right): letters count from A = 10, the first four characters go last."""
    return int("".join(str(int(character, 36)) for character in account[4:] + account[:4])) % 97


def find_cards(text: str) -> Iterator[PiiSpan]:
    """Finds card numbers: an issuer's range and length, and the right check digit.

    One bare number in ten passes the check by chance: it is taken where it has the usual 15 or 16 digits and is not called an order's, a
    parcel's or the like, else only beside a word for a card.
    """
    for match in _CARD.finditer(text):
        start, end = match.span()
        number = digits_of(match[0])
        if len(number) == 19 and match["four"] and not luhn(number):  # three digits beside the card: its security code
            number, end = number[:16], end - 4
        if not luhn(number) or not number.strip("0"):
            continue
        left = before(text, start, 60)
        if IN_ARITHMETIC.search(left):
            continue
        issued = bool(_CARD_NUMBERS.fullmatch(number))
        if issued and len(number) == end - start:
            usual = len(number) in {15, 16} and not NAMED_OTHERWISE.search(left)
            issued = usual or bool(_CARD_WORD.search(left) or _CARD_WORD.search(text, end, end + 30))
        elif issued:
            issued = not _NAMED_CODE.search(left)
        if issued or _CARD_CUE.search(left):
            yield PiiSpan("CREDIT_CARD", start, end)


_NAMED_CODE = re.compile(
    r"(?i)\b(?:order|tracking|serial|imei|isbn|part|sku|licen[cs]e)(?: (?:number|no|code|key)\b\.?)?[ ]?(?:is|[:#=])?[ #]{0,2}$"
)


def find_ibans(text: str) -> Iterator[PiiSpan]:
    """Finds bank accounts of the right length for their country whose check digits are right."""
    for match in _IBAN.finditer(text):
        length = IBAN_LENGTHS.get(match["value"][:2].upper(), 0)
        end = match.start()
        account = ""
        while len(account) < length and end < match.end("value"):
            if text[end].isalnum():
                account += text[end]
            end += 1
        if not length or len(account) != length or not account.isascii():
            continue
        glued = text[end : end + 1]
        if not (glued.isascii() and glued.isalnum()) and mod97(account) == 1:
            yield PiiSpan("IBAN_CODE", match.start(), end)


def find_ssns(text: str) -> Iterator[PiiSpan]:
    """Finds US social security numbers: with hyphens by their shape, otherwise where the words before say so.

    Numbers never issued (000, 666, group 00, serial 0000) are left out; those from 900 are taxpayer numbers, as personal as the others.
    """
    for match in _SSN.finditer(text):
        left = before(text, match.start(), 60)
        if _SSN_CUE.search(left) or (match["separator"] == "-" and not NAMED_OTHERWISE.search(left) and not IN_ARITHMETIC.search(left)):
            yield PiiSpan("US_SSN", *match.span())


def find_records(text: str) -> Iterator[PiiSpan]:
    """Finds medical record numbers, by the words before them."""
    return matches("MEDICAL_RECORD_NUMBER", _RECORD, text)
