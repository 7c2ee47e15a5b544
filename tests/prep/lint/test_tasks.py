"""What stands around the inputs of a file's tasks is found without a system message to tell them apart."""

from prep.lint.frame.tasks import find_instructions

PLACES = ["Oslo", "Lima", "Kyoto", "Quito", "Turin", "Malmo", "Porto", "Ghent", "Basel", "Tunis"]
REVIEWS = [f"Review: {place} has to be seen for its {dish}\nSentiment (pos/neg):" for place in PLACES for dish in ("soup", "fish", "tea")]
QUESTIONS = [
    f'Customer says: "{verb} my card in {place}". Which intent is it? JSON only.' for place in PLACES for verb in ("I lost", "Send")
]
CHAT = [
    f"{opening} {place} {ending}" for place in PLACES for opening, ending in (("What is", "like?"), ("Is", "far?"), ("Tell me", "news"))
]


def test_each_of_several_tasks_has_its_own_words_around_the_input() -> None:
    found = find_instructions("told", REVIEWS + QUESTIONS, split=True)
    assert {(one.prefix, one.suffix) for one in found} == {
        ("Review: ", "\nSentiment (pos/neg):"),
        ("Customer says: ", " Which intent is it? JSON only."),
    }
    assert len({one.task for one in found}) == 2


def test_questions_that_open_alike_are_no_tasks() -> None:
    assert find_instructions("told", CHAT, split=True) == []


def test_instructions_in_half_of_the_rows_say_nothing_of_the_file() -> None:
    assert find_instructions("told", REVIEWS + CHAT, split=True) == []
