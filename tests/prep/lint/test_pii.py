"""Identifiers are found to the character; order numbers, dates, amounts and part codes are not taken for them."""

import itertools

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.pii import find_pii, mask, may_hold_pii


@pytest.mark.parametrize(
    ("text", "kind", "span"),
    [
        ("write to dana.whitlock@example.com.", "EMAIL_ADDRESS", "dana.whitlock@example.com"),
        ("it's 4111 1111 1111 1111, thanks", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("card 587428561654 is lost", "CREDIT_CARD", "587428561654"),
        ("pay to GB82 WEST 1234 5698 7654 32 please", "IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
        ("my social is 219-09-9999 if", "US_SSN", "219-09-9999"),
        ("your address is 203.0.113.87 and", "IP_ADDRESS", "203.0.113.87"),
        ("from 6e40:4041:c617:e898:c11:40d2:c669:2eb4 again", "IP_ADDRESS", "6e40:4041:c617:e898:c11:40d2:c669:2eb4"),
        ("daughter informed, MRN 4482913.", "MEDICAL_RECORD_NUMBER", "4482913"),
        ("My mobile is +1 312-555-0148. Thanks", "PHONE_NUMBER", "+1 312-555-0148"),
        ("call daughter 415-555-0132, please", "PHONE_NUMBER", "415-555-0132"),
        ("ring Salim directly on 555-0142, he", "PHONE_NUMBER", "555-0142"),
        ("on 0345 810 1010.", "PHONE_NUMBER", "0345 810 1010"),
        ("(555) 123-4567", "PHONE_NUMBER", "(555) 123-4567"),
        ("see https://example.com/a_(b).", "URL", "https://example.com/a_(b)"),
        ("ftp://anna:s3cret@ftp.example.com/x", "URL_CREDENTIALS", "ftp://anna:s3cret@ftp.example.com/x"),
    ],
)
def test_an_identifier_is_found_to_the_character(text: str, kind: str, span: str) -> None:
    assert [(found.kind, text[found.start : found.end]) for found in find_pii(text)] == [(kind, span)]
    assert pl.select(may_hold_pii(pl.lit(text))).item()


@pytest.mark.parametrize(
    "text",
    [
        "order 4111 1111 1111 1112 and tracking number 1Z999AA10123456784",  # fails Luhn
        "GB82 WEST 1234 5698 7654 33",  # fails mod 97
        "666-12-3456, 123-00-4567",  # never issued
        "on 2024-03-05 10:30, 05/03/2024, from 2019-2024, 01-02-2024 11:45:10",
        "MK401-27KX, ORD-58213, SN-4471902, BT-18-4403, INV-90177",
        "order number 0345 810 1010, invoice no. 415-555-0132",
        "$1,200,000.00 and 3.14159265358979, 10,000,000 users",
        "256626720691 + 1646615806005 = 19",
        "version 10.2.3.4, 999.1.1.1, 127.0.0.1, 8.8.8.0/24",
        "std::vector, 10:30:45, a::b",
        "between 100 200 300 400 and 500",
        "git@github.com:org/repo.git, @handle",
        "ISBN 978-3-16-148410-0",
    ],
)
def test_what_only_looks_like_an_identifier_is_left_alone(text: str) -> None:
    assert find_pii(text) == []


def test_the_mask_names_the_kind_and_keeps_plain_addresses_of_pages() -> None:
    text = "Mail a@b.example or see https://example.com, customer 5402."
    assert mask(text) == "Mail [EMAIL_ADDRESS] or see https://example.com, customer 5402."
    assert find_pii(mask("a@b.example 219-09-9999")) == []


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(list("0123456789 -+().@:/xabGB\u0660\n")), max_size=50))
def test_the_sieve_misses_nothing_that_is_found(text: str) -> None:
    spans = find_pii(text)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    assert not spans or pl.select(may_hold_pii(pl.lit(text))).item()
