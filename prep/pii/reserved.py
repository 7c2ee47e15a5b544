"""What tells a surrogate from a real identifier: a range that is never given out, and a sign in its own digits.

Each surrogate lies in a range reserved for documentation, tests or nothing at all. Such ranges hold other people's examples too, and
an example may stand where a real value stood; so two digits of a surrogate are computed from the others, and only what carries that
sign is taken for one. A stranger passes by chance once in a hundred.

Ranges: RFC 2606 (example.com), RFC 5737 (192.0.2.0/24), RFC 2544 (198.18.0.0/15), RFC 3849 (2001:db8::/32); area codes N9X, which the
North American Numbering Plan keeps for its expansion, with the fictional 555-01xx; Social Security Administration (900 to 999 never issued)
with groups that the Internal Revenue Service does not use; card numbers 400000, 370000 and 360000 of the processors' test ranges. Dates
need no sign: they are moved to after 2100, as in MIMIC-III (Johnson et al. 2016), where none is looked for.
"""

import re
import zlib

from prep.pii.spans import PiiSpan, digits_of

_EMAIL = re.compile(r"([a-z]+\.[a-z]+[0-9]{2})([0-9]{2})@example\.(?:com|net|org)")
_PHONE = re.compile(r"(?:00)?1?[2-9]9[0-9]55501[0-9]{2}")
_IP = re.compile(r"192\.0\.2\.[0-9]{1,3}|198\.1[89]\.[0-9]{1,3}\.[0-9]{1,3}|2001:0?db8:.*")
CARD_PREFIXES = {13: "400000", 14: "360000", 15: "370000", 16: "400000", 19: "400000"}
NUMBER_KINDS = frozenset({"MEDICAL_RECORD_NUMBER", "HEALTH_PLAN_NUMBER", "ACCOUNT_NUMBER", "LICENSE_NUMBER", "VEHICLE_ID", "DEVICE_ID"})
_STARTS = (
    "Bel",
    "Cor",
    "Dar",
    "Els",
    "Fen",
    "Gal",
    "Hol",
    "Ivo",
    "Jor",
    "Kel",
    "Lun",
    "Mar",
    "Nev",
    "Ors",
    "Pel",
    "Quil",
    "Ros",
    "Sel",
    "Tor",
    "Ulv",
    "Vel",
    "Wen",
    "Yar",
    "Zel",
)
_ENDS = (
    "ambry",
    "andel",
    "arrow",
    "avane",
    "edrin",
    "ellan",
    "erith",
    "esque",
    "idane",
    "illow",
    "imber",
    "indle",
    "irrel",
    "ombra",
    "ondale",
    "oreth",
    "ostan",
    "ucket",
    "umber",
    "undry",
    "urrow",
    "uvian",
    "ynter",
    "yllis",
)
INVENTED_NAMES = tuple(start + end for start in _STARTS for end in _ENDS)
_INVENTED = frozenset(name.lower() for name in INVENTED_NAMES)


def sign(text: str) -> str:
    """Returns the two digits that make a text a surrogate."""
    return f"{zlib.crc32(text.encode()) % 97:02d}"


def is_surrogate(kind: str, value: str) -> bool:  # noqa: PLR0911
    """Whether an identifier is one that this project put in place of another."""
    digits = digits_of(value)
    match kind:
        case "EMAIL_ADDRESS":
            email = _EMAIL.fullmatch(value)
            return bool(email and sign(email[1]) == email[2])
        case "PHONE_NUMBER":
            return bool(_PHONE.fullmatch(digits))
        case "CREDIT_CARD":
            prefix = CARD_PREFIXES.get(len(digits))
            return bool(prefix and digits.startswith(prefix) and sign(digits[:-3]) == digits[-3:-1])
        case "IBAN_CODE":
            return _is_surrogate_account("".join(value.split()).replace("-", "").upper())
        case "US_SSN":
            return digits.startswith("9") and 1 <= int(digits[3:5]) <= 49 and sign(digits[:7]) == digits[7:]
        case "IP_ADDRESS":
            return bool(_IP.fullmatch(value.lower()))
        case "PERSON":
            return all(word in _INVENTED for word in re.findall(r"[^\W\d_]{2,}", value.lower()))
        case "LOCATION":
            return any(word in _INVENTED for word in re.findall(r"[^\W\d_]{2,}", value.lower()))
        case "AGE_OVER_89":
            return digits == "90"
        case "ZIP_CODE":
            return digits.startswith("000")
    return kind in NUMBER_KINDS and len(digits) > 3 and digits.startswith("0") and sign(unsigned_number(value)) == digits[-2:]


def without_surrogates(text: str, spans: list[PiiSpan]) -> list[PiiSpan]:
    """Returns the spans that hold no surrogate."""
    return [span for span in spans if not is_surrogate(span.kind, text[span.start : span.end])]


def unsigned_number(value: str) -> str:
    """Returns the letters and digits of a number without its last two digits."""
    kept = [character for character in value if character.isalnum()]
    places = [place for place, character in enumerate(kept) if character.isdigit()][-2:]
    return "".join(character for place, character in enumerate(kept) if place not in places).upper()


def _is_surrogate_account(account: str) -> bool:
    return set(account[4:8]) <= {"X", "0"} and sign(account[:2] + unsigned_number(account[4:])) == digits_of(account)[-2:]
