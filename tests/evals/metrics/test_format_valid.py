"""Whether an answer has the form of its reference."""

import pytest

from evals.data.prediction import Prediction, PredictionState
from evals.metrics.base import METRICS
from evals.metrics.formats.shape import Kind, shape_of
from evals.testing import chats


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"a": [1, null]}', Kind.OBJECT),
        (" [1, 2]\n", Kind.ARRAY),
        ('```json\n{"a": 1}\n```', Kind.OBJECT),
        ("- soup\n- bread", Kind.BULLETS),
        ("1. soup\n\n2. bread: warm", Kind.NUMBERS),
        ("1、汤\n2、面", Kind.NUMBERS),
        ("Customer: Anna\nOrder: 4\nNote:", Kind.FRAME),
        ("情感：好\n理由：汤很好喝", Kind.FRAME),
        ("12", None),
        ('"text"', None),
        ('{"a": NaN}', None),
        ('{"a": 1} {"b": 2}', None),
        ('Sure: {"a": 1}', None),
        ("- soup", None),  # one line with a dash may be anything
        ("A: hello\nB: hello\nA: bye", None),  # a conversation
        ("At 10:30 we left.\nIt was late.", None),
        ("The soup was cold.", None),
        ("", None),
        ("[" * 100_000, None),
    ],
)
def test_the_form_of_a_text(text: str, kind: Kind | None) -> None:
    found = shape_of(text)
    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        ('{"a": 1}', '{"z": 2}', 1.0),
        ('{"a": 1}', '{"z": 2', 0.0),
        ('{"a": 1}', "[1]", 0.0),
        ('{"a": 1}', '```json\n{"a": 1}\n```', 0.0),
        ('```json\n{"a": 1}\n```', '```\n{"a": 2}\n```', 1.0),
        ("- soup\n- bread", "* tea", 1.0),
        ("- soup\n- bread", "Here you are:\n- tea\n- milk", 0.0),
        ("- soup\n- bread", "1. tea\n2. milk", 0.0),
        ("Customer: Anna\nOrder: 4", "Customer: Ben\n\nOrder: none", 1.0),
        ("Customer: Anna\nOrder: 4", "Order: 4\nCustomer: Anna", 0.0),
        ("Customer: Anna\nOrder: 4", "Customer: Anna", 0.0),
        ("The soup was cold.", "anything", None),
    ],
)
def test_an_answer_is_valid_where_it_has_the_form_of_its_reference(reference: str, answer: str, expected: float | None) -> None:
    assert METRICS.get("format_valid")().row_scores(*chats([answer], [reference])) == [expected]


def test_an_answer_that_was_cut_is_not_valid() -> None:
    rows, _ = chats(["[1]"], ["[1, 2]"])
    assert METRICS.get("format_valid")().row_scores(rows, [Prediction("0", PredictionState.UNFINISHED, "[1]")]) == [0.0]
