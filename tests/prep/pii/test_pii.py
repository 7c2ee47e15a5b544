"""Identifiers are found to the character; order numbers, dates, amounts and part codes are not taken for them."""

import itertools
import signal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.pii import find_pii, find_secrets, mask, may_hold_pii, may_hold_secret
from prep.pii.hipaa import find_hipaa, may_hold_hipaa
from prep.pii.names import find_names, may_hold_name
from prep.pii.phones import is_service_number


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
        ("415 555 0132 is mine, call 2 times", "PHONE_NUMBER", "415 555 0132"),
        ("+44 20 7946 0958 15 people", "PHONE_NUMBER", "+44 20 7946 0958"),
        ("\u8bf7\u81f4\u753513812345678\u8054\u7cfb\u6211\u4eec", "PHONE_NUMBER", "13812345678"),
        ("415\u2013555\u20130132 or", "PHONE_NUMBER", "415\u2013555\u20130132"),
        ("Telefon: 030 1234567", "PHONE_NUMBER", "030 1234567"),
        ("fax 259.735.7502x459", "PHONE_NUMBER", "259.735.7502x459"),
        ("card 4111 1111 1111 1111 123", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("3782 822463 10005", "CREDIT_CARD", "3782 822463 10005"),
        ("SSN: 219 09 9999", "US_SSN", "219 09 9999"),
        ("2001:4860::8888 answers", "IP_ADDRESS", "2001:4860::8888"),
        ("anna [at] example [dot] org", "EMAIL_ADDRESS", "anna [at] example [dot] org"),
        ("\u6211\u7684\u90ae\u7bb1\u662fanna@example.org", "EMAIL_ADDRESS", "anna@example.org"),
        ("see acme.co.uk/path.", "URL", "acme.co.uk/path"),
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
        "icon@2x.png, pkg@1.2.3, msg+ticket@kiosk.Valid, your_name@yourdomain.com",
        "Node.js, README.md, e.g.this, asp.net, end.It was",
        "part number 123-45-6789, tracking number 4539578763621486",
        "472547338\n+960397912423686",
        "1 2 3 4 5 6 7 8 9 10 11 12, 100 200 300 400",
    ],
)
def test_what_only_looks_like_an_identifier_is_left_alone(text: str) -> None:
    assert find_pii(text) == []


def test_the_mask_names_the_kind_and_keeps_plain_addresses_of_pages() -> None:
    text = "Mail a@b.example or see https://example.com, customer 5402."
    assert mask(text) == "Mail [EMAIL_ADDRESS] or see https://example.com, customer 5402."
    assert find_pii(mask("a@b.example 219-09-9999")) == []


@pytest.mark.parametrize(
    "text", ["1 ", "1-", "415-555-0132 ", "a@", "a.", "http://", "x://a:", "GB82 WEST ", "password: ", "sk-", "eyJ", "Dr. A"]
)
def test_a_hostile_text_is_read_to_its_end(text: str) -> None:
    def give_up(*_: object) -> None:
        raise AssertionError("the patterns take more than linear time")

    hostile = (text * 400_000)[:400_000]
    before = signal.signal(signal.SIGVTALRM, give_up)
    # Linear work takes a second of the processor's time; 8e10 steps take minutes, and are cut off.
    signal.setitimer(signal.ITIMER_VIRTUAL, 30)
    try:
        for find in (find_pii, find_secrets, find_names):
            find(hostile)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(
    ("text", "is_service"),
    [
        ("please call our reservations team at 415-555-0132", True),
        ("ring 1-800-555-0132", True),
        ("on 0345 810 1010", True),
        ("my number is 415-555-0132", False),
        ("call me at 303-555-0132", False),
        ("Telefon 030 1234567", False),
    ],
)
def test_a_number_of_a_firm_is_told_from_a_persons(text: str, *, is_service: bool) -> None:
    [span] = find_pii(text)
    assert is_service_number(text, span.start, span.end) == is_service


SECRETS = [
    ("gh" + "p_16C7e42F292c6912E7710c838347Ae178B4a", "GitHub token"),
    ("AK" + "IAJ5Q2W7RT9XKLM3NP", "AWS access key"),
    ("SG" + ".aB3dE6gH9jK2mN5pQ8sT1v.wX4zA7cD0fG3iJ6lM9oP2rS5uV8xY1bC4eF7hI0kL3n", "SendGrid key"),
    ("py" + "pi-AgEIcHlwaS5vcmcCJDU3ZTM5YjE2LWY0YzUtNDBmZi04ZTk2LTMyNTQ3Njk4MTAzMg", "PyPI token"),
    ("-----BEGIN " + "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END " + "PRIVATE KEY-----", "private key"),
]


@pytest.mark.parametrize(("secret", "provider"), SECRETS)
def test_a_secret_is_found_and_masked(secret: str, provider: str) -> None:
    text = f"here: {secret} and more"
    [span] = find_secrets(text)
    assert (span.provider, text[span.start : span.end], span.certain) == (provider, secret, True)
    assert mask(text) == "here: [SECRET] and more"
    assert pl.select(may_hold_secret(pl.lit(text))).item()


def test_an_assigned_secret_is_found_by_its_name_and_randomness() -> None:
    text = "secret=8f14e45fceea167a5a36dedd4bea2543; password = hunter2Moon!9; token = get_token(x); key: required"
    assert [text[span.start : span.end] for span in find_secrets(text)] == ["8f14e45fceea167a5a36dedd4bea2543", "hunter2Moon!9"]
    assert mask(text).startswith("secret=[SECRET]; password = [SECRET]; token")


def test_names_end_where_the_name_ends() -> None:
    text = "Dr. Jane O'Connor-Lee and Mr. Brown's wife; my name is Anna. Born on 03/12/1941, Parkinson's disease."
    assert [text[span.start : span.end] for span in find_names(text)] == ["Jane O'Connor-Lee", "Brown", "Anna", "03/12/1941"]


_PIECES = [
    *" .,:/=-@\n\"'()",
    *(secret for secret, _ in SECRETS),
    *("8f14e45fceea167a5a36dedd4bea2543", "password", "key", "token ", "Bearer ", "is", "my name ", "Dr.", "Mrs", "Jane", "Doe", "Patient"),
    *(
        "born",
        "DOB",
        "03/12/1941",
        "3 March",
        "415-555-0132",
        "+44",
        "020 7946 0958",
        "call",
        "4111111111111111",
        "219-09-9999",
        "10.1.2.3",
    ),
    *("GB82WEST12345698765432", "2001:4860::8888", "a.b@example.org", "https://", "www.", "example.com", "user:pa55@host", "[at]", "[dot]"),
    *("MRN 4482913", "regards", "\u3000", "sincerely", "I'm", "\uff11\uff12", "\u2013", "sk-", "api_", "hf_"),
]


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(list("0123456789 -+().@:/xabGB\u0660\n")), max_size=50))
def test_the_sieve_misses_nothing_that_is_found(text: str) -> None:
    spans = find_pii(text)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    assert not spans or pl.select(may_hold_pii(pl.lit(text))).item()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=8).map("".join))
def test_no_sieve_misses_what_its_finder_finds(text: str) -> None:
    for find, may_hold in (
        (find_pii, may_hold_pii),
        (find_secrets, may_hold_secret),
        (find_names, may_hold_name),
        (find_hipaa, may_hold_hipaa),
    ):
        assert not find(text) or pl.select(may_hold(pl.lit(text))).item(), find


@pytest.mark.parametrize(
    "text",
    [
        "Doctor: Does it hurt?\nPatient: Yeah.\nDoctor: Much?\nPatient: Sure.",
        "Patient: Advil Helps me\nPatient: Mhm",
        "Doctor: Good morning.\r\nPatient: Lovely morning.\r\n",
        "Guest_family: It does.\nPatient: Nope",
        "Patient: Yeah.",
        "Patient: Okay",
        "Patient: Well, some days.",
        "Patient: Sometimes it hurts.",
    ],
)
def test_what_follows_a_speakers_mark_is_no_name(text: str) -> None:
    assert not find_names(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Doctor: What is your name?\nPatient: Irena.\nDoctor: Welcome.", ["Irena"]),
        ("Doctor: Who are you?\nPatient: Irena Kowalczyk.\nDoctor: Welcome.", ["Irena Kowalczyk"]),
        ("Doctor: Hi.\nPatient: My name is Irena Kowalczyk.\nDoctor: Hi.", ["Irena Kowalczyk"]),
        ("Doctor: Who sent you?\nPatient: Doctor Mark Brown did.", ["Mark Brown"]),
        ("Patient: Jane Doe\nAttending: Mark Brown\nRoom: 4", ["Jane Doe", "Mark Brown"]),
        ("Patient: Smith\nPhysician: Dr. Jones", ["Smith", "Jones"]),
        ("Patient: Smith, 45-year-old male", ["Smith"]),
        ("Patient: Jane reports pain.", ["Jane"]),
        ("| Patient: Lena Ott | Room: 3 |", ["Lena Ott"]),
    ],
)
def test_a_name_in_a_field_or_behind_a_speakers_mark_is_found(text: str, names: list[str]) -> None:
    assert [text[span.start : span.end] for span in find_names(text)] == names


def test_a_long_transcript_is_looked_at_once() -> None:
    assert not find_names("Patient: Yeah.\n" * 20_000)
