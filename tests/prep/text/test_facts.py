"""Facts are found, typed and normalised; what only looks like one is left alone."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.text.facts import Fact, FactIndex, extract_facts, missing_facts, same_fact


def facts(text: str, *, numbers: bool = False) -> list[tuple[str, str]]:
    return [(fact.kind, fact.value) for fact in extract_facts(text) if numbers or fact.kind != "number"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MK401-27KX reported damaged by customer 5402.", [("code", "MK40127KX"), ("customer", "5402")]),
        ("Orders ORD-58213 and HB-2290, part PX7731-A", [("code", "ORD58213"), ("code", "HB2290"), ("code", "PX7731A")]),
        ("the mk401-27kx unit", [("code", "MK40127KX")]),
        ("account no. 88121; Client ID: 7702", [("customer", "88121"), ("customer", "7702")]),
        ("Can I have your customer number, please? Sure, it's 5402.", [("customer", "5402")]),
        ("$1,200.00 or $1200", [("money", "1200 USD"), ("money", "1200 USD")]),
        ("1.200,50 \u20ac, EUR 35 and twenty dollars", [("money", "1200.5 EUR"), ("money", "35 EUR"), ("money", "20 USD")]),
        ("revenue of $412 million and \u00a31.5bn", [("money", "412000000 USD"), ("money", "1500000000 GBP")]),
        ("up 31.2%, then ten per cent", [("percent", "31.2"), ("percent", "10")]),
        ("2024-03-05, March 5, 2024, the 5th of March 2024", [("date", "2024-03-05")] * 3),
        ("13/02/2024 and 03/05/24", [("date", "2024-02-13"), ("date", "2024-03-05|2024-05-03")]),
        ("BY FEBRUARY 20", [("date", "*-02-20")]),
        ("on 7 March, in March 2024", [("date", "*-03-07"), ("date", "2024-03-*")]),
        ("at 10:30, 3 pm, 3.30pm, eight o'clock", [("time", "10:30|22:30"), ("time", "15:00"), ("time", "15:30"), ("time", "08:00|20:00")]),
        ("40 mg PO, 0.5 mcg, 10 units, 5 mL", [("dose", "40 mg"), ("dose", "0.0005 mg"), ("dose", "10 units"), ("dose", "5 mL")]),
        ("100-200 mg, 4.8 g", [("dose", "100 mg"), ("dose", "200 mg"), ("dose", "4800 mg")]),
    ],
)
def test_facts_are_typed_and_normalised(text: str, expected: list[tuple[str, str]]) -> None:
    assert facts(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "COVID-19, Q4, FY2024, the 21st, a 24-month term, mid-2024, 4K and MP3",
        "DEXA T -2.8 L-spine, SpO2, B12, Hb 9.8 g/dL, x6 wks, x14d",
        "two of the three, one more",
        "You may 5 times, the march of 12 people",
        "a 10GB plan, 16GB, 1080p, 230V, the 1990s",
    ],
)
def test_what_only_looks_like_a_fact_is_no_fact(text: str) -> None:
    assert facts(text) == []


def test_spelled_numbers_are_numbers() -> None:
    assert facts("twenty-four (24) months, two thousand and five, a dozen", numbers=True) == [
        ("number", "24"),
        ("number", "24"),
        ("number", "2005"),
        ("number", "12"),
    ]


def test_spans_point_at_the_text() -> None:
    text = "Call about MK401-27KX, customer 5402, on 5 March 2024."
    assert [text[fact.start : fact.end] for fact in extract_facts(text)] == ["MK401-27KX", "5402", "5 March 2024"]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("2024-03-05|2024-05-03", "2024-05-03", True),
        ("*-03-05", "2024-03-05", True),
        ("2024-03-*", "2024-03-05", True),
        ("2024-03-05", "2024-03-06", False),
    ],
)
def test_dates_agree_in_one_of_their_readings(a: str, b: str, same: bool) -> None:
    assert same_fact(Fact("date", a, 0, 1), Fact("date", b, 0, 1)) is same


@pytest.mark.parametrize(
    ("text", "source", "missing"),
    [
        ("We owe $9,500.", "a fee of $7,500", ["9500 USD"]),
        ("We owe $7,500.", "a fee of 7500 dollars", []),
        ("We owe $20.", "it cost twenty", []),
        ("Part MK401-27KX", "the MK401 27KX is broken", []),
        ("Meet at 3 pm", "at 15:00", []),
        ("500 mcg", "0.5 mg", []),
        ("customer 5402", "number 5402", []),
    ],
)
def test_missing_facts(text: str, source: str, missing: list[str]) -> None:
    kinds = ["code", "customer", "money", "percent", "date", "time", "dose"]
    assert [fact.value for fact in missing_facts(extract_facts(text), source, kinds)] == missing


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(list("$\u20ac0123456789.,:-/% amgLkKXABcustomer'\u0663\u00b2\n")), max_size=60))
def test_any_text_holds_its_own_facts(text: str) -> None:
    found = extract_facts(text)
    index = FactIndex(text)
    assert all(index.holds(fact) for fact in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
