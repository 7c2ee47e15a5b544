"""Made-up personal identifiers and keys, of valid shape; keys are put together here so that no scanner takes this file for a leak."""

import base64
import json
import random
import string


def email(chooser: random.Random) -> str:
    """Returns an e-mail address of no one."""
    first = chooser.choice(["anna", "j.doe", "mehmet_k", "carol.whitfield", "tom-b", "lucia77", "p.okafor", "office", "Kate.Lynn", "rw"])
    host = chooser.choice(
        ["brightmail.com", "kestrel-tools.co.uk", "posteo.de", "outlook.com", "uni-lindow.edu", "mail.northbay.org", "gmail.com"]
    )
    return f"{first}{chooser.choice(['', str(chooser.randint(1, 99)), '+shop'])}@{host}"


def phone(chooser: random.Random) -> str:
    """Returns a telephone number of one of several countries' shapes."""
    area = chooser.choice(["212", "415", "312", "206", "617", "303"])
    middle, last = chooser.randint(220, 989), chooser.randint(1000, 9999)
    return chooser.choice(
        [
            f"({area}) {middle}-{last}",
            f"{area}-{middle}-{last}",
            f"{area}.{middle}.{last}",
            f"+1 {area} {middle} {last}",
            f"1-{area}-{middle}-{last}",
            f"+44 20 7{chooser.randint(100, 999)} {chooser.randint(1000, 9999)}",
            f"+49 30 {chooser.randint(2000000, 9999999)}",
            f"+33 1 4{chooser.randint(0, 9)} {chooser.randint(10, 99)} {chooser.randint(10, 99)} {chooser.randint(10, 99)}",
        ]
    )


def card(chooser: random.Random) -> str:
    """Returns a payment card number with the right check digit (Luhn 1960)."""
    prefix, length = chooser.choice([("4", 16), ("51", 16), ("55", 16), ("37", 15), ("6011", 16)])
    digits = prefix + "".join(chooser.choices(string.digits, k=length - len(prefix) - 1))
    total = sum(int(digit) if place % 2 else sum(divmod(2 * int(digit), 10)) for place, digit in enumerate(reversed(digits)))
    digits += str(-total % 10)
    if length == 15:
        return chooser.choice([digits, f"{digits[:4]} {digits[4:10]} {digits[10:]}"])
    groups = [digits[start : start + 4] for start in range(0, 16, 4)]
    return chooser.choice([digits, " ".join(groups), "-".join(groups)])


def iban(chooser: random.Random) -> str:
    """Returns an account number whose check digits are right (ISO 13616)."""
    country, length, letters = chooser.choice([("DE", 18, 0), ("GB", 18, 4), ("ES", 20, 0), ("NL", 14, 4), ("AT", 16, 0), ("FR", 23, 0)])
    account = "".join(chooser.choices(string.ascii_uppercase, k=letters)) + "".join(chooser.choices(string.digits, k=length - letters))
    number = int("".join(str(int(letter, 36)) for letter in account + country + "00"))
    whole = f"{country}{98 - number % 97:02d}{account}"
    return chooser.choice([whole, " ".join(whole[start : start + 4] for start in range(0, len(whole), 4))])


def ssn(chooser: random.Random) -> str:
    """Returns a number of the shape and range that the United States give out as social security numbers."""
    area = chooser.choice([chooser.randint(100, 665), chooser.randint(667, 899)])
    return f"{area}-{chooser.randint(10, 99)}-{chooser.randint(1000, 9999)}"


def api_key(chooser: random.Random, number: int) -> str:
    """Returns a key; which provider's follows from `number`."""
    mixed = string.ascii_letters + string.digits

    def some(length: int, letters: str = mixed) -> str:
        return "".join(chooser.choices(letters, k=length))

    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    shapes = [
        "AKIA" + some(16, string.ascii_uppercase + "234567"),
        "gh" + "p_" + some(36),
        "sk-" + "proj-" + some(48),
        "xox" + "b-" + some(12, string.digits) + "-" + some(12, string.digits) + "-" + some(24),
        "sk_" + "live_" + some(24),
        "AI" + "za" + some(35),
        ".".join(
            [
                part({"alg": "HS256", "typ": "JWT"}),
                part({"sub": some(10, string.digits), "iat": chooser.randint(10**9, 2 * 10**9)}),
                some(43),
            ]
        ),
        "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "\n".join(some(64) for _ in range(4)) + "\n-----END RSA " + "PRIVATE KEY-----",
        "sk-" + some(20) + "T3Blbk" + "FJ" + some(20),
        "hf" + "_" + some(34),
    ]
    return shapes[number % len(shapes)]
