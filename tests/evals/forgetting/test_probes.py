"""Probe sets as they lie in a folder, and what is said of those that are wrong."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evals.forgetting.probes import ChoiceQuestion, last_number, read_probes
from evals.forgetting.questions import drawn_questions
from loopwright.errors import UserError

ROOT = Path(__file__).parents[3]
CHOICES = {"question": "Which?", "choices": ["A", "b", "c"]}


def write(folder: Path, name: str, content: str | list[Any]) -> Path:
    text = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_each_file_is_a_set_of_its_kind(tmp_path: Path) -> None:
    write(tmp_path, "general.txt", "One\ntwo.\n\n \n\nThree.\n")
    write(tmp_path, "texts.jsonl", [{"text": "Four.\n\nFive.", "source": "x"}])
    write(tmp_path, "known.jsonl", [{**CHOICES, "answer": 1, "subject": "x"}, {**CHOICES, "answer": "c"}, {**CHOICES, "answer": "A"}])
    write(tmp_path, "sums.jsonl", [{"question": "2 + 2?", "answer": "It is <<2+2=4>>4.\n#### 1,004"}, {"question": "?", "answer": 2.5}])
    write(tmp_path, "README.md", "No set.")
    found = read_probes(str(tmp_path))
    assert [(one.name, one.documents) for one in found.texts] == [("general", ["One\ntwo.", "Three."]), ("texts", ["Four.\n\nFive."])]
    assert [one.answer for one in found.choices[0].questions] == [1, 2, 0]  # by index, by text, by letter
    assert [one.answer for one in found.numbers[0].questions] == [1004, Decimal("2.5")]
    assert read_probes(str(tmp_path / "general.txt")).texts == found.texts[:1]
    before = found.sha256
    write(tmp_path, "general.txt", "One\ntwo.\n\nThree!\n")
    assert read_probes(str(tmp_path)).sha256 != before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", [{"text": "x"}, {"prompt": "y"}], r"a.jsonl:2: the row is none of a probe set"),
        (
            "a.jsonl",
            [{"text": "x"}, {**CHOICES, "answer": 0}],
            r"a.jsonl:2: the row has a question with choices, and those before it a text",
        ),
        ("a.jsonl", [{**CHOICES, "answer": 3}], r"a.jsonl:1: the answer 3 is none of the 3 choices"),
        ("a.jsonl", [{**CHOICES, "answer": True}], r"the answer True is none of the 3 choices"),
        ("a.jsonl", [{**CHOICES, "answer": "D"}], r"the answer 'D' is none of the 3 choices"),
        ("a.jsonl", [{"question": "?", "choices": ["one"], "answer": 0}], r"needs two choices at least"),
        ("a.jsonl", [{"question": "?", "choices": "ab", "answer": 0}], r"'choices' is no list of texts"),
        ("a.jsonl", [{"question": " ", "choices": ["a", "b"], "answer": 0}], r"'question' is no text"),
        ("a.jsonl", [{"question": "?", "answer": "I do not know."}], r"a.jsonl:1: the answer ends on no number"),
        ("a.jsonl", [{"text": 3}], r"'text' is no text"),
        ("a.jsonl", "{", r"a.jsonl:1: not valid JSON"),
        ("a.jsonl", "\n", r"a.jsonl: the probe set is empty"),
        ("a.txt", " \n\n", r"a.txt: the probe set is empty"),
        ("a.md", "x", r"the folder holds no probe set"),
    ],
)
def test_what_is_wrong_with_a_set_is_said_with_its_line(tmp_path: Path, name: str, content: Any, message: str) -> None:
    write(tmp_path, name, content)
    with pytest.raises(UserError, match=message):
        read_probes(str(tmp_path))


def test_a_folder_that_is_not_there_and_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder of probe sets"):
        read_probes(str(tmp_path / "none"))
    write(tmp_path, "a.txt", "x")
    write(tmp_path, "a.jsonl", [{"text": "x"}])
    with pytest.raises(UserError, match="two probe sets are called 'a'"):
        read_probes(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It makes 3 and 4, so 7.", 7),
        ("#### 18", 18),
        ("18 - 3 = 15\n#### 1,250.50 dollars of 20", Decimal("1250.5")),
        ("from 5-3 on", 3),
        ("it fell to -4.", -4),
        ("none", None),
        ("5 ####", None),
    ],
)
def test_the_number_that_an_answer_ends_on(text: str, number: object) -> None:
    assert last_number(text) == number


def test_questions_are_drawn_alike_each_time_and_in_their_order() -> None:
    questions = [ChoiceQuestion(f"Question {number}?", ["a", "b"], 0) for number in range(20)]
    drawn = drawn_questions(questions, 5)
    assert len(drawn) == 5 and drawn == drawn_questions(questions, 5) and drawn != questions[:5]
    assert drawn == [one for one in questions if one in drawn]
    assert drawn_questions(questions, None) == drawn_questions(questions, 20) == questions


def test_the_sample_probes_are_whole_and_no_letter_is_favoured() -> None:
    found = read_probes(str(ROOT / "sample_data" / "probes"))
    assert [(one.name, len(one.documents)) for one in found.texts] == [("general", 46)]
    assert len(set(found.texts[0].documents)) == 46
    [known] = found.choices
    answers = [one.answer for one in known.questions]
    assert [answers.count(place) for place in range(4)] == [10, 10, 10, 10]
    assert all(len(set(one.choices)) == 4 for one in known.questions)
