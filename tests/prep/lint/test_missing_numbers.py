"""A number that dropped out leaves a gap; sound sentences have none."""

import pytest

from prep.lint.detectors.grounding.missing_numbers import GapProfile, find_gaps
from prep.lint.detectors.grounding.number_fidelity import NumberProfile

ANSWERS = ["Customer asks for help, and the agent will look into it.", "Agent says that it is fine for now or later."]
HABITS = GapProfile.of([("Help me with it, please.", answer) for answer in ANSWERS] * 40)
LOSSY = GapProfile.of([("Help me with 58213, please.", answer) for answer in ANSWERS] * 40)


def marked(answer: str, source: str, habits: GapProfile = HABITS) -> str:
    """The answer with a bar at each gap."""
    for position in sorted({gap.position for gap in find_gaps(answer, source, habits)}, reverse=True):
        answer = f"{answer[:position]}|{answer[position:]}"
    return answer


@pytest.mark.parametrize(
    ("gap", "source", "number"),
    [
        ("The agent asks to press it for 15 and wait within |hours.", "You will hear from us within 72 hours.", "72"),
        ("It will be exactly| and it is free.", "It is exactly 21 days, and then", "21"),
        ("Unplug the console for|.", "Unplug the console for 10 minutes.", "10"),
        ("The trial is used once for |days on the computer.", "use it for 7 days on a computer", "7"),
        ("He is delayed by |minutes.", "I am delayed by 34 mins", "34"),
        ("The plan costs |dollars.", "the plan costs 20 dollars", "20"),
    ],
)
def test_a_gap_is_found_where_it_is(gap: str, source: str, number: str) -> None:
    answer = gap.replace("|", "")
    assert marked(answer, source) == gap
    assert [found.number for found in find_gaps(answer, source, HABITS)] == [number]


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
    "gap",
    [
        "The lamp broke after  |hours of use.",
        "She paid $| for the lamp.",
        "The lamp is a |-year-old one.",
        "It broke at the age of|. He wants another.",
        "The lamp broke at |The customer wants another.",
        "He was seen in his late |s with this.",
        "The lamp takes  |W and is dark.",
        "The lamp is rated higher than| .",
    ],
)
def test_what_a_deletion_leaves_is_a_gap(gap: str) -> None:
    source = "It ran for 72 hours; I paid $19 when I was 43. It takes 60 watts."
    assert marked(gap.replace("|", ""), source) == gap


def test_marks_count_for_less_where_numbers_are_left_out_anyway() -> None:
    source = "I paid for the red lamp and 2 more, and for the blue one 19 euros."
    assert marked("He wants the  green lamp .", source) == "He wants the  |green lamp |."
    assert find_gaps("He wants the  green lamp .", source, LOSSY) == []
    found = {(gap.position, gap.number) for gap in find_gaps("He paid for the blue one  euros for it.", source, LOSSY)}
    assert found == {(26, "19"), (36, "2")}


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
