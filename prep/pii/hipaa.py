"""Identifiers of the HIPAA Safe Harbor list that only matter in medical data (45 CFR 164.514(b)(2)(i)).

Of its 18 kinds, names (A) and dates of birth are found by `prep.pii.names`; telephone and fax numbers (D, E), e-mail (F), social security
(G), medical records (H), web and IP addresses (N, O) by `find_pii`. Here: addresses and ZIP codes (B), dates and ages over 89 (C), health
plan (I), account (J), certificate and licence numbers (K), vehicles (L), devices (M), and other unique codes that are named as such (R).
Biometrics (P) and photographs (Q) are not text.
"""

import re
from collections.abc import Iterator

import polars as pl

from prep.pii.names import FULL_DATE
from prep.pii.reserved import without_surrogates
from prep.pii.spans import Finder, PiiKind, PiiSpan, before, settle
from prep.text.number_words import MONTHS, any_of

_DATE = re.compile(rf"(?i)(?<![0-9/.-])(?P<value>{FULL_DATE})")
_MONTHS = any_of(*(name.title() for name in MONTHS))
_DAY_OF_MONTH = re.compile(
    rf"\b(?P<value>{_MONTHS} [0-3]?[0-9](?:st|nd|rd|th)?|[0-3]?[0-9](?:st|nd|rd|th)? (?:of )?{_MONTHS})\b(?!,? ?[0-9])"
)
_AGE = re.compile(
    r"(?i)\b(?:aged?(?: of)?:? ?(?P<value>9[0-9]|1[01][0-9])\b(?! ?(?:%|mg|days|weeks|months))"
    r"|(?P<old>9[0-9]|1[01][0-9])[- ]?(?:years?|yrs?|y/?o\b)[- ]?(?:old|of age)?)"
)
_STREET = re.compile(
    r"\b(?P<value>[1-9][0-9]{0,5} (?:[NSEW]\.? )?(?:[A-Z][a-z]{1,20} |[1-9][0-9]{0,2}(?:st|nd|rd|th) ){1,3}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Terrace|Circle|Parkway|Pkwy|Highway|Hwy)\b\.?"
    r"(?:,? (?:Apt|Suite|Unit|Ste|#)\.? ?[0-9A-Z]{1,5})?)"
)
_STATES = "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY]"
_ZIP = re.compile(rf"(?:\b(?:{_STATES}),? |(?i:\bzip(?: ?code)?) ?(?:is|:|#)? ?)(?P<value>[0-9]{{5}}(?:-[0-9]{{4}})?)(?![0-9-])")
_NUMBER = r"(?: ?(?:id|number|num|no\.?|nr|#))*\s?(?:is|was|[:#=])?\s{0,2}#?(?P<value>(?=[A-Z0-9-]*[0-9][A-Z0-9-]*[0-9][A-Z0-9-]*[0-9][A-Z0-9-]*[0-9])[A-Z0-9][A-Z0-9-]{3,24})(?![A-Za-z0-9_])"  # noqa: E501


def _named(names: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?i:{names})(?:(?i:{_NUMBER[: _NUMBER.index('#?(?P')]}))" + _NUMBER[_NUMBER.index("#?(?P") :])


_NUMBERS: tuple[tuple[PiiKind, re.Pattern[str]], ...] = (
    ("HEALTH_PLAN_NUMBER", _named(r"(?:member|subscriber|beneficiary|policy|group|medicare|medicaid|insurance|health plan|nhs)")),
    ("ACCOUNT_NUMBER", _named(r"(?:account|acct|patient|encounter|visit|accession|case|specimen|study|subject|claim)")),
    ("LICENSE_NUMBER", _named(r"(?:driver'?s licen[cs]e|licen[cs]e|certificate|dea|npi|passport)")),
    ("VEHICLE_ID", _named(r"(?:vin|vehicle|licen[cs]e plate|plate|registration)")),
    ("DEVICE_ID", _named(r"(?:serial|s/n|sn|udi|device|implant|pacemaker|pump|lot)")),
)
# Medicare beneficiary identifier: its shape as the Centers for Medicare & Medicaid Services publish it.
_MEDICARE = re.compile(
    r"(?<![A-Z0-9-])(?P<value>[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y]{2}[0-9]{2})(?![A-Z0-9-])"
)


def find_hipaa(text: str, *, surrogates: bool = False) -> list[PiiSpan]:
    """Returns the identifiers of Safe Harbor that `find_pii` and `find_names` do not look for, in order of appearance."""
    spans = settle(text, _FINDERS)
    return spans if surrogates else without_surrogates(text, spans)


def may_hold_hipaa(expr: pl.Expr) -> pl.Expr:
    """Returns a boolean expression that is true wherever `find_hipaa` could find something; null gives null."""
    return expr.str.contains(r"[0-9\x{FF10}-\x{FF19}]")


def _numbers(text: str) -> Iterator[PiiSpan]:
    for kind, pattern in _NUMBERS:
        for match in pattern.finditer(text):
            yield PiiSpan(kind, *match.span("value"))
    for match in _MEDICARE.finditer(text):
        yield PiiSpan("HEALTH_PLAN_NUMBER", *match.span("value"))


def _dates(text: str) -> Iterator[PiiSpan]:
    for pattern in (_DATE, _DAY_OF_MONTH):
        for match in pattern.finditer(text):
            if not re.search(r"(?i)(?:version|guideline|edition|revised)\W{0,3}$", before(text, match.start(), 16)):
                yield PiiSpan("DATE", *match.span("value"))


def _ages(text: str) -> Iterator[PiiSpan]:
    for match in _AGE.finditer(text):
        group = "value" if match["value"] else "old"
        if not re.search(r"(?i)(?:for|over the (?:past|last)|in|past|last) $", before(text, match.start(), 16)):
            yield PiiSpan("AGE_OVER_89", *match.span(group))


def _places(text: str) -> Iterator[PiiSpan]:
    for match in _STREET.finditer(text):
        yield PiiSpan("LOCATION", *match.span("value"))
    for match in _ZIP.finditer(text):
        yield PiiSpan("ZIP_CODE", *match.span("value"))


_FINDERS: tuple[Finder, ...] = (_numbers, _dates, _ages, _places)
