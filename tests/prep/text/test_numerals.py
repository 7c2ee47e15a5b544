"""Numbers are found in any spelling: in digits, grouped or not, and in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.text.numerals import NumeralIndex, numerals, spelled_numerals


def missing(text: str, source: str) -> list[str]:
    index = NumeralIndex(source)
    return [text[one.start : one.end] for one in numerals(text) if not index.holds(one)]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("at 6:50 and 11:35", "the 650 or the 1135"),
        ("a 76-year-old", "I am seventy six years old"),
        ("in 1985", "that was nineteen eighty five"),
        ("BP 125/80", "one twenty five over eighty"),
        ("205 rooms", "two hundred and five rooms"),
        ("on 07/31/2008", "July thirty first, O eight"),
        ("$1,200.00", "1200.00 dollars"),
        ("call 800-535-5225", "call 1-800-535-5225"),
        ("24/7", "24 hours, 7 days"),
        ("1 of them", "one of them, or a pair"),
        ("in his 40s", "in his forties"),
        ("a PS4", "my ps 4"),
        ("2005", "in two thousand and five"),
    ],
)
def test_a_number_is_held_in_another_spelling(text: str, source: str) -> None:
    assert missing(text, source) == []


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        ("38 dollars", "11 dollars", ["38"]),
        ("at 6:55", "at 650", ["6:55"]),
        ("a PS31", "my ps4", ["31"]),
        ("in 1986", "nineteen eighty five", ["1986"]),
        ("77 years", "seventy six", ["77"]),
        ("1. Broken lamp\n2. Late parcel of 12 kg", "a lamp and a parcel", ["12"]),
    ],
)
def test_a_number_is_missed(text: str, source: str, expected: list[str]) -> None:
    assert missing(text, source) == expected


def test_spelled_numbers_are_numbers_from_ten_up() -> None:
    text = "seventy six of one hundred and five, two at a time"
    assert [(one.digits, text[one.start : one.end]) for one in spelled_numerals(text)] == [
        ("76", "seventy six"),
        ("105", "one hundred and five"),
    ]


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(list("0123456789.,:/- abcone two")), max_size=50))
def test_any_text_holds_its_own_numbers(text: str) -> None:
    assert missing(text, text) == []
