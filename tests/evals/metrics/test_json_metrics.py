"""Answers that are JSON: what counts as such, and the F1 of their fields against values made by hand."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.data.json_answers import JsonState, fields_of, is_json, read_json
from evals.data.tool_answers import canonical
from evals.metrics.base import METRICS
from tests.evals.conftest import written
from tests.evals.metrics import reference_tools

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.0, 1.0, 2.5, -3.0]) | st.sampled_from(["", "1", "a", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c.d", "[]"]), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ('{"a": 1}', JsonState.PLAIN),
        (" [1, 2]\n", JsonState.PLAIN),
        ("{}", JsonState.PLAIN),
        ('```json\n{"a": 1}\n```', JsonState.FENCED),
        ("```\n[]\n```\n", JsonState.FENCED),
        ("```json\n```", JsonState.INVALID),
        ('Here it is: {"a": 1}', JsonState.INVALID),
        ('{"a": 1} {"a": 2}', JsonState.INVALID),
        ("{'a': 1}", JsonState.INVALID),
        ('{"a": 1,}', JsonState.INVALID),
        ('{"a": NaN}', JsonState.INVALID),
        ('{"a": 1', JsonState.INVALID),
        ('"a"', JsonState.INVALID),
        ("3", JsonState.INVALID),
        ("", JsonState.INVALID),
        ("[" * 100_000, JsonState.INVALID),
    ],
)
def test_what_is_json(text: str, state: JsonState) -> None:
    assert read_json(text)[0] is state
    assert is_json(text) is (state is not JsonState.INVALID)


@pytest.mark.parametrize(
    ("answer", "reference", "f1"),
    [
        ('{"a": 1, "b": "x"}', '{"b": "x", "a": 1.0}', 1.0),
        ('{"a": 1}', '{"a": 1, "b": "x"}', 2 / 3),
        ('{"a": 1, "b": "y"}', '{"a": 1, "b": "x"}', 1 / 2),
        ('{"a": true}', '{"a": 1}', 0.0),
        ('{"a": "1"}', '{"a": 1}', 0.0),
        ('{"a": ["x", "y"]}', '{"a": ["y", "x"]}', 1.0),
        ('{"a": ["x", "x"]}', '{"a": ["x"]}', 2 / 3),
        ('{"a": {"b": 1}}', '{"a": {"c": 1}}', 0.0),
        ('{"a": []}', '{"a": {}}', 0.0),
        ("{}", '{"a": 1}', 0.0),
        ("{}", "{}", 1.0),
        ('[{"n": "x", "p": 1}, {"n": "y", "p": 2}]', '[{"n": "y", "p": 2}, {"n": "x", "p": 1}]', 1.0),
        ("no JSON", '{"a": 1}', 0.0),
        ('{"a.b": 1}', '{"a": {"b": 1}}', 0.0),
        ('{"a": 1}', "words", None),
    ],
)
def test_the_f1_of_fields(answer: str, reference: str, f1: float | None) -> None:
    assert METRICS.get("json_f1")().row_scores(*written([answer], [reference])) == [f1 if f1 is None else pytest.approx(f1)]


def test_the_f1_is_over_all_fields_and_invalid_answers_lack_theirs() -> None:
    rows, predictions = written(['{"a": 1, "b": 2, "c": 3}', "no", "any"], ['{"a": 1, "b": 2, "c": 4}', '{"a": 1}', "words"])
    metric = METRICS.get("json_f1")()
    assert metric.statistics(rows, predictions).tolist() == [[2, 3, 3], [0, 0, 1], [0, 0, 0]]
    assert float(metric.value(metric.statistics(rows, predictions).sum(axis=0))) == pytest.approx(4 / 7)
    assert METRICS.get("json_valid")().row_scores(rows, predictions) == [1.0, 0.0, None]


@settings(max_examples=60)
@given(one=VALUES, other=VALUES)
def test_values_are_written_alike_where_they_are_equal(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) is reference_tools.is_same(one, other)
    if reference_tools.is_same(one, other):
        assert fields_of(one) == fields_of(other)


@given(value=VALUES)
def test_every_value_has_fields_of_its_own(value: Any) -> None:
    found = fields_of(value)
    assert found.total() >= 1
    assert isinstance(found, Counter) and fields_of({"a": value}) != found
