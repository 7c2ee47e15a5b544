"""An identifier is replaced by an invented one of its form, the same wherever it stands, and only once."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.lint.rules.privacy.personal_identifier import PersonalIdentifier
from prep.pii import find_pii, find_secrets
from prep.pii.hipaa import find_hipaa
from prep.pii.numbers import luhn, mod97
from prep.pii.spans import digits_of
from prep.pii.surrogates import Surrogates, is_surrogate, replace_fields

TOKEN = "gh" + "p_16C7e42F292c6912E7710c838347Ae178B4a"
ROW = {
    "messages": [
        {"role": "user", "content": "I am at dana@corp.com or (312) 555-0148. Card 5105 1051 0510 5100, SSN: 219-09-9999."},
        {"role": "assistant", "content": f"Noted: dana@corp.com, +1 312 555 0148, DE89370400440532013000, {TOKEN}."},
    ],
    "note": "MRN 4482913 from 8.8.4.4, ftp://anna:s3cret@corp.com/x, mail Tom@corp.com",
}


def surrogate_of(text: str, seed: int = 17, **more: bool) -> str:
    return Surrogates(seed, [text], **more).replace(text)


def test_one_value_has_one_surrogate_across_turns_and_fields() -> None:
    replaced = replace_fields(ROW, seed=17)
    first, second = (turn["content"] for turn in replaced["messages"])
    [email] = re.findall(r"\S+@example\.\w+", first)
    assert email in second
    assert digits_of(re.findall(r"\([0-9]{3}\) [0-9-]+", first)[0]) == digits_of(re.findall(r"\+1 ([0-9 ]+)", second)[0])
    assert re.findall(r"\S+@example\.\w+", replaced["note"])[-1] != email
    assert not any(word in str(replaced) for word in ("dana", "312", "5105", "219-09", "DE8937", TOKEN[4:], "4482913", "8.8.4.4", "s3cret"))
    assert replaced["messages"][0]["role"] == "user"


def test_a_second_run_changes_nothing() -> None:
    replaced = {**ROW, **replace_fields(ROW, seed=17)}
    assert replace_fields(replaced, seed=17) == {}
    assert replace_fields(replaced, seed=4) == {}


def test_surrogates_follow_from_the_seed_and_the_value_alone() -> None:
    alone = surrogate_of("dana@corp.com")
    assert surrogate_of("x dana@corp.com, 415-555-0132").startswith(f"x {alone},")
    assert surrogate_of("dana@corp.com", seed=18) != alone


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("dana@corp.com", r"[a-z]+\.[a-z]+[0-9]{4}@example\.(com|net|org)"),
        ("(415) 555-0132", r"\([2-9]9[0-9]\) 555-01[0-9]{2}"),
        ("+1-415-555-0132", r"\+1-[2-9]9[0-9]-555-01[0-9]{2}"),
        ("+44 20 7946 0958", r"\+1 [2-9]9[0-9] 555 01[0-9]{2}"),
        ("4111 1111 1111 1111", r"4000 00[0-9]{2} [0-9]{4} [0-9]{4}"),
        ("3782 822463 10005", r"3700 00[0-9]{4} [0-9]{5}"),
        ("GB82 WEST 1234 5698 7654 32", r"GB[0-9]{2} XXXX( [0-9]{4}){3} [0-9]{2}"),
        ("219-09-9999", r"9[0-9]{2}-[0-4][0-9]-[0-9]{4}"),
        ("86.121.97.248", r"192\.0\.2\.[0-9]+|198\.1[89]\.[0-9]+\.[0-9]+"),
        ("2001:4860::8888", r"2001:db8:[0-9a-f:]+"),
        ("MRN 4482913", r"MRN 0[0-9]{6}"),
        (TOKEN, r"ghp_(EXAMPLE[A-Za-z0-9]{29}|0{8}[0-9a-f]{28})"),
    ],
)
def test_a_surrogate_has_the_form_of_its_value_and_lies_in_a_reserved_range(value: str, pattern: str) -> None:
    replaced = surrogate_of(value)
    assert re.fullmatch(pattern, replaced), replaced
    assert find_pii(replaced) == []
    assert find_secrets(replaced) == []


def test_check_digits_of_surrogates_are_right() -> None:
    assert luhn(digits_of(surrogate_of("4111 1111 1111 1111")))
    assert mod97(surrogate_of("DE89370400440532013000")) == 1


def test_an_example_of_others_is_no_surrogate() -> None:
    others = "jane.doe1234@example.com 312-555-0148 4000 0000 0000 0002 987-65-4321"
    assert len(find_pii(others)) == 4
    assert not is_surrogate("EMAIL_ADDRESS", "jane.doe1234@example.com")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1000, 9999), min_size=2, max_size=40, unique=True), st.integers(0, 99))
def test_two_values_never_share_a_surrogate_in_a_row(lines: list[int], seed: int) -> None:
    text = ", ".join(f"415-555-{line} a{line}@corp.com 8.{line // 100}.4.{line % 100} MRN {line}" for line in lines)
    replaced = surrogate_of(text, seed)
    found = find_pii(replaced, surrogates=True)
    values = {replaced[span.start : span.end] for span in found}
    assert len(values) == 4 * len(lines)
    assert surrogate_of(replaced, seed) == replaced


def test_what_an_earlier_run_gave_out_is_not_given_again() -> None:
    texts = [f"415-555-{line}" for line in range(1000, 1200)]
    earlier = surrogate_of(texts[0])
    replaced = Surrogates(17, [earlier, texts[0]]).replace(texts[0])
    assert replaced != earlier


def test_names_and_dates_of_patients() -> None:
    text = "Dr. Jane Doe and Ms. Doe, born 03/12/1941, admitted 03/14/2021, left March 16, 2021, a 93-year-old from Boston, MA 02118"
    replaced = surrogate_of(text, medical=True)
    first, second = re.findall(r"Dr\. \w+ (\w+) and Ms\. (\w+)", replaced)[0]
    assert first == second
    assert "Doe" not in replaced
    assert "90-year-old" in replaced
    assert find_hipaa(replaced) == []
    assert surrogate_of(replaced, medical=True) == replaced


def test_the_rule_drafts_surrogates() -> None:
    from prep.lint.base.finding import Finding
    from prep.lint.base.subject import Subject

    draft = PersonalIdentifier().draft(Finding("x"), Subject({"seed": 17}, {"text": "call 415-555-0132", "stars": 3}, None))
    assert draft is not None
    assert draft.fields == {"text": surrogate_of("call 415-555-0132")}
    assert not draft.safe
