"""Texts in pieces: what differs is marked, and nothing personal is shown."""

from hypothesis import given
from hypothesis import strategies as st

from evals.reports.pieces import DIFFERS, GONE, MISSING, Piece, ShownText
from prep.pii import mask
from prep.text.facts import Fact, extract_facts


def against(text: str, other: str) -> list[tuple[str, str]]:
    return [(piece.text, piece.mark) for piece in ShownText(text, 700).against(ShownText(other, 700))]


def test_what_differs_is_marked_and_what_is_lacking_stands_there() -> None:
    assert against("the soup was hot", "the soup was not hot") == [("the soup was ", ""), ("not ", GONE), ("hot", "")]
    assert against("the soup was cold today", "the soup was hot today") == [
        ("the soup was ", ""), ("hot", GONE), ("cold", DIFFERS), (" today", "")
    ]  # fmt: skip
    assert against("all equal", "all equal") == [("all equal", "")]


def test_two_different_telephone_numbers_show_as_different_and_neither_is_shown() -> None:
    shown = against("please call me on 415-555-0123 today", "please call me on 415-555-0199 today")
    assert ("[PHONE_NUMBER]", DIFFERS) in shown and ("[PHONE_NUMBER]", GONE) in shown
    assert not any("555" in text or "01" in text for text, _ in shown)
    same = against("please call me on 415-555-0123 today", "please call me on 415-555-0123 tonight")
    assert [mark for text, mark in same if "PHONE" in text] == [""]


def test_a_text_that_shares_little_is_not_interleaved_with_the_reference() -> None:
    shown = against("nothing of this is like that", "a b c d e f g h i j k l m n o p")
    assert not [text for text, mark in shown if mark == GONE]
    assert "".join(text for text, _ in shown) == "nothing of this is like that"


def test_a_fact_in_the_reference_is_marked_or_masked_as_it_is_written() -> None:
    text = "MK4-27KX was sent to jane.doe@example.com on 5 March 2024"
    facts = {text[fact.start : fact.end]: fact for fact in extract_facts(text)}
    shown = ShownText(text, 700)
    code = facts["MK4-27KX"]
    assert shown.marked([(code.start, code.end, MISSING)])[0] == Piece("MK4-27KX", MISSING)
    assert shown.words_of([code]) == ["MK4-27KX"]
    place = len("my number is ")
    phone = Fact("number", "555", place + 4, place + 7)
    assert ShownText("my number is 415-555-0123", 700).words_of([phone, phone]) == ["[PHONE_NUMBER]"]


def test_what_is_said_of_a_text_holds_none_of_its_identifiers() -> None:
    shown = ShownText("call 415-555-0123 or jane.doe@example.com", 700)
    assert shown.hide_in("4155550123 is in neither, jane.doe@example.com too") == "[PHONE_NUMBER] is in neither, [EMAIL_ADDRESS] too"


def test_a_long_text_is_cut_and_says_so() -> None:
    shown = ShownText("word " * 1000, 50).plain()
    assert [piece.text for piece in shown] == ["word " * 10, " […]"]
    cut = ShownText("x" * 40 + " jane.doe@example.com", 50).plain()
    assert "jane" not in "".join(piece.text for piece in cut), "an identifier at the cut is masked before it is cut"


def test_marks_that_turn_the_direction_are_written_out() -> None:
    assert against("a\u202eb", "a\u202ec")[0][0] == "a\\u202e"


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_character_of_the_answer_is_lost_or_made(text: str, other: str) -> None:
    shown = ShownText(text, 700).against(ShownText(other, 700))
    said = "".join(piece.text for piece in shown if piece.mark != GONE)
    assert said == "".join(piece.text for piece in ShownText(text, 700).plain())


@given(st.lists(st.sampled_from(["415-555-0123", "jane.doe@example.com", "soup", " ", "not", "\n"]), max_size=12))
def test_plain_is_what_mask_makes_of_it(words: list[str]) -> None:
    text = " ".join(words)
    assert "".join(piece.text for piece in ShownText(text, 4000).plain()) == mask(text)
