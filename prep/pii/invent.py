"""Invented values: for each kind of identifier one that is nobody's, and how it takes on the form of what it replaces."""

import datetime
import hashlib
import ipaddress
import re
import string
from collections.abc import Callable

from prep.pii.numbers import luhn, mod97
from prep.pii.reserved import CARD_PREFIXES, INVENTED_NAMES, NUMBER_KINDS, sign, unsigned_number
from prep.pii.spans import digits_of, plain
from prep.text.number_words import MONTH_NUMBERS


class Dice:
    """Numbers that follow from a seed, a kind, a value and the try, and from nothing else."""

    def __init__(self, seed: int, kind: str, value: str, attempt: int) -> None:
        digest = hashlib.blake2b(f"{seed}\0{kind}\0{value}\0{attempt}".encode(), digest_size=64).digest()
        self._number = int.from_bytes(digest, "big")

    def below(self, bound: int) -> int:
        """Returns a number from 0 up to a bound, exclusive."""
        self._number, rest = divmod(self._number, bound)
        return rest

    def digits(self, count: int) -> str:
        """Returns so many digits."""
        return "".join(str(self.below(10)) for _ in range(count))

    def like(self, character: str) -> str:
        """Returns a digit for a digit, a letter of its case for a letter, and other characters as they are."""
        if character.isdigit():
            return str(self.below(10))
        if not character.isalpha():
            return character
        return (string.ascii_uppercase if character.isupper() else string.ascii_lowercase)[self.below(26)]


def key_of(kind: str, value: str) -> str:
    """Returns what makes two spellings one value: `(415) 555-0132` and `415.555.0132`."""
    value = plain(value)
    if kind == "PHONE_NUMBER":  # with or without the code of North America, and whatever the extension
        return re.sub(r"^(?:00)?1(?=[0-9]{10}$)", "", digits_of(_without_extension(value)))
    if kind in {"CREDIT_CARD", "US_SSN"}:
        return digits_of(value)
    if kind == "IBAN_CODE" or kind in NUMBER_KINDS:
        return "".join(character for character in value if character.isalnum()).upper()
    return value if kind == "SECRET" else value.lower()


def _email(dice: Dice, _value: str) -> str:
    local = f"{_name(dice)}.{_name(dice)}{dice.digits(2)}".lower()
    return f"{local}{sign(local)}@example.{('com', 'net', 'org')[dice.below(3)]}"


def _phone(dice: Dice, _value: str) -> str:
    return f"{2 + dice.below(8)}9{dice.below(10)}55501{dice.digits(2)}"


def _shape_phone(surrogate: str, value: str) -> str:
    number = _without_extension(plain(value))
    digits = digits_of(number)
    groups = re.findall("[0-9]+", number)
    if (len(digits) == 10 and not number.startswith("+") and [len(group) for group in groups] in ([3, 3, 4], [10])) or (
        len(digits) == 11 and digits[0] == "1"
    ):
        return _pour(("1" if len(digits) == 11 else "") + surrogate, number)
    mark = next((character for character in number if character in "-. "), "")
    written = mark.join((surrogate[:3], surrogate[3:6], surrogate[6:]))
    return f"+1{mark}{written}" if number.startswith(("+", "00")) else written


def _without_extension(number: str) -> str:
    return re.split(r"(?i)[ ]?(?:x|ext)", number)[0]


def _pour(characters: str, shape: str) -> str:
    """Returns the characters in place of a shape's letters and digits, with its separators."""
    supply = iter(characters)
    return "".join(next(supply, "") if character.isalnum() else character for character in shape) + "".join(supply)


def _card(dice: Dice, value: str) -> str:
    length = len(digits_of(plain(value)))
    length = length if length in CARD_PREFIXES else 16
    prefix = CARD_PREFIXES[length]
    body = prefix + dice.digits(length - len(prefix) - 3)
    body += sign(body)
    return next(body + str(digit) for digit in range(10) if luhn(body + str(digit)))


def _iban(dice: Dice, value: str) -> str:
    account = "".join(character for character in plain(value) if character.isalnum()).upper()
    bank = "".join("X" if character.isalpha() else "0" for character in account[4:8])
    rest = "".join(dice.like(character) for character in account[8:])
    bban = _signed(bank + rest, account[:2])
    return f"{account[:2]}{98 - mod97(account[:2] + '00' + bban):02d}{bban}"


def _signed(number: str, salt: str = "") -> str:
    """Returns a number whose last two digits are the sign of the rest."""
    places = [place for place, character in enumerate(number) if character.isdigit()][-2:]
    characters = list(number)
    for place, digit in zip(places, sign(salt + unsigned_number(number)), strict=True):
        characters[place] = digit
    return "".join(characters)


def _shape_iban(surrogate: str, value: str) -> str:
    poured = _pour(surrogate, plain(value))
    return poured.lower() if value.islower() else poured


def _ssn(dice: Dice, _value: str) -> str:
    body = f"9{dice.digits(2)}{1 + dice.below(49):02d}{1 + dice.below(99):02d}"
    return body + sign(body)


def _ip(dice: Dice, value: str) -> str:
    if ":" in plain(value):
        return str(ipaddress.IPv6Address((0x20010DB8 << 96) | (dice.below(1 << 64) << 8) | 1 + dice.below(255)))
    return f"192.0.2.{1 + dice.below(254)}" if dice.below(50) else f"198.{18 + dice.below(2)}.{dice.below(256)}.{1 + dice.below(254)}"


def _number(dice: Dice, value: str) -> str:
    kept = [character for character in value.upper() if character.isascii() and character.isalnum()]
    kept += ["0"] * max(4 - sum(character.isdigit() for character in kept), 0)
    drawn = [dice.like(character) for character in kept]
    drawn[next(place for place, character in enumerate(kept) if character.isdigit())] = "0"
    return _signed("".join(drawn))


def _url_credentials(dice: Dice, value: str) -> str:
    scheme, _, rest = value.partition("://")
    return f"{scheme}://user:EXAMPLE{dice.digits(8)}@{rest.rpartition('@')[2]}"


def _secret(dice: Dice, value: str) -> str:
    """Keeps what names the provider; what follows spells EXAMPLE, or begins with zeros where only hexadecimal digits may stand."""
    if value.startswith("-----BEGIN"):
        head, _, tail = value.partition("-----\n")
        close = tail[tail.rfind("-----END") :] if "-----END" in tail else ""
        return f"{head}-----\nEXAMPLE{dice.digits(24)}\n{close}".rstrip("\n")
    prefix = re.match(r"[A-Za-z]{2,8}[-_.](?:[a-z0-9]{2,8}[-_])?|A[KSBC][IC]A|AIza|eyJ", value)
    kept = prefix[0] if prefix and len(value) - len(prefix[0]) >= 15 else ""
    body = value[len(kept) :]
    hexadecimal = re.fullmatch("[0-9a-fA-F]+", body)
    mark = "00000000" if hexadecimal else "EXAMPLE"
    drawn = "".join(f"{dice.below(16):x}" if hexadecimal else dice.like(one) if one.isascii() else "x" for one in body[len(mark) :])
    return kept + mark + (drawn if len(drawn) >= 8 else dice.digits(8))


def _name(dice: Dice, _value: str = "") -> str:
    return INVENTED_NAMES[dice.below(len(INVENTED_NAMES))]


def _shape_name(surrogate: str, value: str) -> str:
    return surrogate.upper() if value.isupper() and len(value) > 1 else surrogate.lower() if value.islower() else surrogate


def _place(dice: Dice, value: str) -> str:
    words = value.split()
    return f"{1 + dice.below(998)} {_name(dice)} {words[-1]}" if words[0].isdigit() else _name(dice)


def _zip(dice: Dice, value: str) -> str:
    return "000" + dice.digits(2) + ("-" + dice.digits(4) if "-" in value else "")


def moved_date(value: str, seed: int) -> str:
    """Returns a date moved to after 2100, in the form that it had; all dates of a seed are moved by as many days (Johnson et al. 2016).

    Of 03/04/2021 the first number is taken for the month. A day without a year gets one. What is no date stays.
    """
    word = re.search("[A-Za-z]{3,}", value)
    numbers = [(int(match[0]), *match.span()) for match in re.finditer("[0-9]+", value)]
    long = next((place for place, (number, _, _) in enumerate(numbers) if number > 31), None if word else len(numbers) - 1)
    others = [place for place in range(len(numbers)) if place != long]
    year = 2000 if long is None else numbers[long][0]
    year += (1900 if year > 30 else 2000) if year < 100 else 0
    try:
        if word:
            order = [others[0]]
            date = datetime.date(year, MONTH_NUMBERS[word[0][:3].lower()], numbers[others[0]][0])
        else:
            order = others if numbers[others[0]][0] <= 12 else others[::-1]
            date = datetime.date(year, numbers[order[0]][0], numbers[order[1]][0])
    except (ValueError, LookupError):
        return value
    dice = Dice(seed, "DATE", "", 0)
    date += datetime.timedelta(days=73_000 + dice.below(10_000))  # two hundred years and up to 27 more
    written = {place: f"{part:02d}" for place, part in zip(order, [date.day] if word else [date.month, date.day], strict=True)}
    if long is not None:
        written[long] = str(date.year)
    for place in sorted(written, reverse=True):
        _, start, end = numbers[place]
        text = written[place] if end - start > 1 else written[place].lstrip("0")
        value = value[:start] + text + value[end:]
    if word:
        value = value.replace(word[0], f"{date:%B}", 1)
        value = re.sub(r"(?<=[0-9])(?:st|nd|rd|th)|\bof ", "", value)
    return value if long is not None else f"{value}, {date.year}"


def as_is(surrogate: str, _value: str) -> str:
    """Returns the surrogate whatever the form of the value."""
    return surrogate


def _shape_number(surrogate: str, value: str) -> str:
    return _pour(surrogate, plain(value))


def _same(_dice: Dice, value: str) -> str:  # dates are moved, all by as many days: see `moved_date`
    return value


def _ninety(_dice: Dice, _value: str) -> str:
    return "90"


MAKERS: dict[str, Callable[[Dice, str], str]] = {
    "EMAIL_ADDRESS": _email,
    "PHONE_NUMBER": _phone,
    "CREDIT_CARD": _card,
    "IBAN_CODE": _iban,
    "US_SSN": _ssn,
    "IP_ADDRESS": _ip,
    "URL_CREDENTIALS": _url_credentials,
    "SECRET": _secret,
    "PERSON": _name,
    "LOCATION": _place,
    "DATE": _same,
    "DATE_OF_BIRTH": _same,
    "AGE_OVER_89": _ninety,
    "ZIP_CODE": _zip,
    **dict.fromkeys(NUMBER_KINDS, _number),
}
SHAPERS: dict[str, Callable[[str, str], str]] = {
    "PHONE_NUMBER": _shape_phone,
    "CREDIT_CARD": _shape_number,
    "IBAN_CODE": _shape_iban,
    "US_SSN": _shape_number,
    "PERSON": _shape_name,
    **dict.fromkeys(NUMBER_KINDS, _shape_number),
}
