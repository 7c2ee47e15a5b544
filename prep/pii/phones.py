"""Telephone numbers, in the shapes of many countries.

Runs of digit groups are read from the text, and every stretch of one that begins and ends at a space is judged: by its shape alone where
that is a telephone's, else by a word such as "call" beside it. Lengths are those of ITU-T E.164 and of the national numbering plans.
"""

import re
from collections.abc import Iterator

from prep.pii.spans import IN_ARITHMETIC, NAMED_OTHERWISE, PiiSpan, before, digits_of

# A run is unbounded but unambiguous (groups and separators alternate), so that it is read in linear time.
_RUN = re.compile(r"[+(]{0,2}[0-9]+(?:(?: ?[().\-/]{1,2} ?| )[0-9]+)*")
_EXTENSION = re.compile(r"[ ]?(?:x|ext\.?|extension)[ ]?[0-9]{1,5}(?![A-Za-z0-9_])", re.IGNORECASE)
_TOKEN = re.compile(r"[^ ]+")
_MAX_TOKENS = 7
_MAX_RUN = 28  # a longer run is a table of numbers: only what stands in it without spaces is looked at
_BEFORE = re.compile(r"(?:[A-Za-z0-9_@#$\u20ac\u00a3\u00a5*+-]|[0-9][.,:/=]|[A-Za-z0-9]/|[0-9] [-+*/=\u00d7] )\Z")
_AFTER = re.compile(
    r"[A-Za-z0-9_@%]|[.,:/=-][0-9]| ?[-+*=\u00d7] ?[0-9]|[-/](?!(?i:office|fax|mobile|cell|home|work|landline|tel|phone))[A-Za-z]"
)
_CUE = re.compile(
    r"(?i)(?:\b(?:tele?(?:phone|fon)?s?|t[\u00e9e]l[\u00e9e](?:phone|fono)|phones?|mobile|mobil|m[\u00f3o]vil|portable|cell(?:phone|ular|ulare)?"
    r"|handy|fax|desk|landline|hotline|helpline|whatsapp|sms|text(?:ed|ing)?|call(?:ed|ing|s)?|ring|dial(?:led|ing)?|celular|telefone"
    r"|telefonnummer|rufnummer|appelez|llame|ruf|reach(?:ed)?(?: (?:me|us|him|her|them))?|contact(?:ed)?(?: (?:me|us|him|her|them))?"
    r"|answering at|messages to|(?:my|his|her|our|their|your|registered|contact) (?:number|no\.?|registered))"
    r"\b|\u7535\u8bdd|\u96fb\u8a71|\u624b\u673a|\u624b\u6a5f|\u8054\u7cfb\u65b9\u5f0f|\u643a\u5e2f|\uc804\ud654|\u0442\u0435\u043b)"
    r"\.?[^0-9\n.!?]{0,28}\n?[^0-9A-Za-z]{0,3}$"
)
_CUE_AFTER = re.compile(r"(?i)[ -]{1,2}\(?(?:office|fax|mobile|cell|home|work|landline)\b")
_DATE_LIKE = re.compile(
    r"(?:19|20)[0-9]{2}[-/. ][0-9]{1,2}[-/. ][0-9]{1,2}(?: .*)?|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ](?:19|20)[0-9]{2}(?: .*)?"
    r"|(?:19|20)[0-9]{2} ?[-/] ?(?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{0,6}"
)
_NORTH_AMERICAN = re.compile(
    r"(?:\+?1[-. ]{0,2})?(?:\([2-9][0-9]{2}\)[-. /]{0,2}|[2-9][0-9]{2}[-./]|[2-9][0-9]{2} (?=[0-9]{3} [0-9]{4}$))[2-9][0-9]{2}[-. ][0-9]{4}"
)
_LOCAL = re.compile(r"555-[0-9]{4}")  # the exchange of films and of directory enquiries; no code looks like it
_NATIONAL = re.compile(r"0[1-9][0-9]{0,3}(?: ?[-/.] ?| )[0-9]{2,8}(?:[-. ][0-9]{2,5}){0,4}")
_NATIONAL_BARE = re.compile(r"0[1-9][0-9]{9}|0[67][0-9]{8}")
_CHINESE_MOBILE = re.compile(r"1[3-9][0-9]{9}|1[3-9][0-9][- ][0-9]{4}[- ][0-9]{4}")
_AREA_IN_PARENTHESES = re.compile(r"\([0-9]{2,5}\)[ -]{0,2}[0-9]{2,5}(?:[ -]?[0-9]{2,5}){1,3}")
_INTERNATIONAL = re.compile(r"\(?\+ ?\(?[1-9][0-9() ./-]*")
_INTERNATIONAL_00 = re.compile(r"00[1-9][0-9]{0,2}[- .(/][0-9() ./-]*")
_TERM_BEFORE = re.compile(r"(?:^|[^+0-9(). -])[0-9]+\s{1,3}$")  # "472 \n +960": a term of a sum, unless the one before had its + too
_SERVICE_RANGE = re.compile(
    r"1?8(?:00|22|33|44|55|66|77|88)[0-9]{7}$|(?:0044|44|0)(?:80[08][0-9]{6,7}|(?:30[036]|33[03]|34[345]|37[012]|84[345]|87[0123])[0-9]{7})$|1800[0-9]{6,8}$"
)
_SERVICE_CUE = re.compile(
    r"(?i)\b(?:our|your|their|the)\b[^.!?\n]{0,40}\b(?:team|cent(?:re|er)|care|support|services?|reservations?|desk|hotline|helpline|hotel|store"
    r"|department|office|specialists?|bank|branch|agents?)\b[^.!?\n]{0,12}$"
    r"|\bcustomer (?:care|services?|support|relations)\b[^.!?\n]{0,30}$"
    r"|\b(?:toll[- ]free|helpline|hotline)\b[^.!?\n]{0,20}$|\b(?:call|contact|reach|phone|ring|dial) us\b[^.!?\n]{0,24}$"
)
# Most digits after the country code; where a run is longer, its last groups are something else. ITU-T E.164, national numbering plans.
_LONGEST = {
    "1": 10, "7": 10, "20": 10, "27": 9, "30": 10, "31": 9, "32": 9, "33": 9, "34": 9, "36": 9, "39": 11, "40": 9, "41": 9, "44": 10,
    "45": 8, "46": 10, "47": 8, "48": 9, "52": 11, "54": 11, "55": 11, "61": 9, "64": 10, "65": 8, "66": 9, "81": 10, "82": 11, "86": 11,
    "90": 10, "91": 10, "351": 9, "353": 9, "354": 9, "380": 9, "386": 8, "420": 9, "421": 9, "852": 8, "886": 9, "966": 9, "971": 9,
    "972": 9,
}  # fmt: skip


def find_phones(text: str) -> Iterator[PiiSpan]:
    """Finds telephone numbers; dates, amounts, sums, order numbers and part codes are none."""
    for run in _RUN.finditer(text):
        if run.end() - run.start() < 7:
            continue
        tokens = [(run.start() + token.start(), run.start() + token.end()) for token in _TOKEN.finditer(run[0])]
        width = _MAX_TOKENS if len(tokens) <= _MAX_RUN else 1
        first = 0
        while first < len(tokens):
            found, num_tokens = _from_token(text, tokens[first : first + width], inside=first > 0)
            if found is not None:
                yield found
            first += num_tokens


def _from_token(text: str, tokens: list[tuple[int, int]], *, inside: bool) -> tuple[PiiSpan | None, int]:
    """Returns the number that begins at the first of some tokens, and how many tokens it takes up.

    The longest stretch whose shape speaks for itself comes first, then the longest beside a word for a telephone: "call 415 555 0132
    2 times" ends before the 2.
    """
    start = tokens[0][0]
    stretches = [
        (num_tokens, *_without_loose_brackets(text, start, end))
        for num_tokens, (_, end) in reversed(list(enumerate(tokens, start=1)))
        if 7 <= end - start <= 32
    ]
    stretches = [one for one in stretches if _may_stand(text, *one[1:])]
    for evident in (True, False):
        for num_tokens, begin, end in stretches:
            if (_is_evident(text[begin:end]) if evident else not inside and _is_announced(text, begin, end)) and not _is_named_otherwise(
                text, begin
            ):
                extension = _EXTENSION.match(text, end)
                return PiiSpan("PHONE_NUMBER", begin, extension.end() if extension else end), num_tokens
    return None, 1


def _without_loose_brackets(text: str, start: int, end: int) -> tuple[int, int]:
    number = text[start:end]
    if number.startswith("(") and number.count("(") > number.count(")"):
        start += 1
    return start, end


def _may_stand(text: str, start: int, end: int) -> bool:
    """Whether a stretch could be a number at all: its length, its brackets, what touches it, and that it is no date."""
    number = text[start:end]
    num_digits = sum(character.isdigit() for character in number)
    if not 7 <= num_digits <= 16 or number.count("(") != number.count(")") or not number[-1].isdigit():
        return False
    if _BEFORE.search(before(text, start, 3)) or _DATE_LIKE.fullmatch(number):
        return False
    return bool(_EXTENSION.match(text, end)) or not _AFTER.match(text, end, end + 12)


def _is_evident(number: str) -> bool:
    """Whether a number's shape alone is a telephone's."""
    num_digits = sum(character.isdigit() for character in number)
    if _INTERNATIONAL.fullmatch(number) or _INTERNATIONAL_00.fullmatch(number):
        return _fits_country(number)
    if (
        _NORTH_AMERICAN.fullmatch(number)
        or _LOCAL.fullmatch(number)
        or _NATIONAL_BARE.fullmatch(number)
        or _CHINESE_MOBILE.fullmatch(number)
    ):
        return True
    if _AREA_IN_PARENTHESES.fullmatch(number):
        return 8 <= num_digits <= 12
    if _NATIONAL.fullmatch(number):
        # "03262 2437 Main Street": nine digits in two groups may be two numbers that only stand side by side.
        return 10 <= num_digits <= 12 or (num_digits == 9 and len(re.findall("[0-9]+", number)) > 2)
    return False


def _fits_country(number: str) -> bool:
    # The trunk prefix in brackets, `+46 (0)8`, is not dialled from abroad.
    digits = digits_of(number.replace("(0)", ""))
    if number.startswith("00"):
        digits = digits[2:]
    for length in (1, 2, 3):
        longest = _LONGEST.get(digits[:length])
        if longest is not None:
            return 8 <= len(digits) <= length + longest and (digits[0] != "1" or len(digits) == 11)
    return 8 <= len(digits) <= 15


def _is_announced(text: str, start: int, end: int) -> bool:
    return bool(_CUE.search(before(text, start, 44)) or _CUE_AFTER.match(text, end, end + 12))


def _is_named_otherwise(text: str, start: int) -> bool:
    left = before(text, start, 40)
    if text.startswith("+", start) and _TERM_BEFORE.search(left):
        return True
    return bool(NAMED_OTHERWISE.search(left) or IN_ARITHMETIC.search(left))


def is_service_number(text: str, start: int, end: int) -> bool:
    """Whether a telephone number is a firm's and names no person: toll-free and service ranges, or "call our reservations team at".

    Ranges: North American toll-free codes, the service ranges of the UK (03, 08), India's 1800.
    """
    return bool(_SERVICE_RANGE.match(digits_of(text[start:end])) or _SERVICE_CUE.search(before(text, start, 70)))
