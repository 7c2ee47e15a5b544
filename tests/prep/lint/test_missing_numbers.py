"""A number that dropped out leaves a gap; sound sentences have none."""

import pytest

from prep.lint.missing_numbers import GapProfile, find_gaps
from prep.lint.number_fidelity import NumberProfile

ANSWERS = ["Customer asks for help, and the agent will look into it.", "Agent says that it is fine for now or later."]
HABITS = GapProfile.of([("Help me with it, please.", answer) for answer in ANSWERS] * 40)
LOSSY = GapProfile.of([("Help me with 58213, please.", answer) for answer in ANSWERS] * 40)


@pytest.mark.parametrize(
    ("answer", "source", "number"),
    [
        ("The agent asks to press it for 15 and wait within hours.", "You will hear from us within 72 hours.", "72"),
        ("It will be exactly and it is free.", "It is exactly 21 days, and then", None),
        ("Unplug the console for.", "Unplug the console for 10 minutes.", "10"),
        ("The trial is used once for days on the computer.", "use it for 7 days on a computer", None),
        ("He is delayed by minutes.", "I am delayed by 34 mins", "34"),
        ("The plan costs dollars.", "the plan costs 20 dollars", "20"),
    ],
)
def test_a_gap_is_found(answer: str, source: str, number: str | None) -> None:
    gaps = find_gaps(answer, source, HABITS)
    if number is None:  # "for days" is what people say, too
        assert all(0 <= gap.position <= len(answer) for gap in gaps)
    else:
        assert number in {gap.number for gap in gaps}


@pytest.mark.parametrize(
    "answer",
    [
        "Customer waited for hours and wants a few minutes of help.",
        "The next day some days passed, two hours late.",
        "Agent asks for the order number, and the customer agrees.",
        "",
    ],
)
def test_a_sound_sentence_has_no_gap(answer: str) -> None:
    assert find_gaps(answer, "I waited 3 hours, 20 minutes and 2 days for order 555, agent.", HABITS) == []


@pytest.mark.parametrize(
    ("answer", "position"),
    [
        ("The lamp broke after  hours of use.", 22),
        ("She paid $ for the lamp.", 10),
        ("The lamp is a -year-old one.", 14),
        ("It broke at the age of. He wants another.", None),
        ("The lamp broke at The customer wants another.", None),
        ("He was seen in his late s with this.", 24),
        ("The lamp takes  W and is dark.", 16),
        ("The lamp is rated higher than .", 29),
    ],
)
def test_what_a_deletion_leaves_is_a_gap(answer: str, position: int | None) -> None:
    source = "It ran for 72 hours; I paid $19 when I was 43. It takes 60 watts."
    gaps = find_gaps(answer, source, HABITS)
    assert gaps
    assert position is None or position in {gap.position for gap in gaps}


def test_marks_count_for_less_where_numbers_are_left_out_anyway() -> None:
    source = "I paid for the red lamp and 2 more, and for the blue one 19 euros."
    assert find_gaps("He wants the  green lamp .", source, HABITS)
    assert find_gaps("He wants the  green lamp .", source, LOSSY) == []
    assert find_gaps("He paid for the blue one  euros for it.", source, LOSSY)


def test_marks_mean_nothing_where_no_number_is_lost() -> None:
    assert find_gaps("He wants the  green lamp, at $ and of the .", "I want the green lamp.", HABITS) == []


def test_habits_tell_an_order_number_from_other_numbers() -> None:
    pairs = [
        (f"My order number is {58000 + index}. I waited {index} days.", f"It concerns order {58000 + index}, late.") for index in range(40)
    ]
    habits = NumberProfile.of(pairs, min_rows=20, min_share=0.88)
    source = "My order number is 58213. I waited 17 days."
    assert [one.digits for one in habits.lost(source, "It concerns an order, late.")] == ["58213"]
    assert habits.lost(source, "It concerns order 58213, late.") == []
