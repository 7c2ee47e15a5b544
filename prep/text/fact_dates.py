"""Dates and times of day, however they are written."""

import re

from prep.text.fact import Fact, Reader
from prep.text.number_words import CARDINALS, MONTH_NUMBERS, MONTHS, UNITS

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


# In order: what an earlier reader takes, a later one cannot.
DATE_READERS: tuple[Reader, ...] = (
    ("date", _DATE_ISO, True, _read_iso),
    ("date", _DATE_NUMERIC, True, _read_numeric),
    ("date", _DATE_DAY_MONTH, True, _read_day_month),
    ("date", _DATE_MONTH_DAY, True, _read_month_day),
    ("date", _DATE_MONTH_YEAR, True, _read_month_year),
)
TIME_READERS: tuple[Reader, ...] = (
    ("time", _TIME_CLOCK, True, _read_clock),
    ("time", _TIME_MERIDIEM, False, _read_meridiem),
    ("time", _TIME_OCLOCK, False, _read_oclock),
)
