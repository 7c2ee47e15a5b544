"""The metrics of calls: planted errors named right, and values equal to those of a script that was written apart from them."""

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from evals.compare.structured import wrong_calls
from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow
from evals.data.tool_answers import ToolState, judge_calls
from evals.metrics.base import CALL_METRICS, METRICS
from evals.predict.calls import as_prediction
from templates.call_format import call_format
from templates.call_reader import read_calls
from templates.calls import CallLoss, ReadAnswer, ToolCall
from tests.call_notations import calling_tokenizer
from tests.evals.conftest import calling
from tests.evals.metrics import reference_tools

PLANTED = yaml.safe_load((Path(__file__).parents[2] / "cases" / "tools" / "planted_errors.yaml").read_text(encoding="utf-8"))
CASES = PLANTED["cases"]
TOOLS: list[dict[str, Any]] = PLANTED["tools"]


def scores_of(row: EvalRow, prediction: Prediction) -> dict[str, float | None]:
    metrics = [METRICS.get(name)() for name in CALL_METRICS]
    return {one.name: one.row_scores([row], [prediction])[0] if one.counts(row, prediction) else None for one in metrics}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['notation']}: {case['name']}")
def test_each_planted_error_is_named_and_scored(case: dict[str, Any]) -> None:
    [row], _ = calling([[]], [case["expected"] or []], TOOLS)
    read = read_calls(call_format(calling_tokenizer(case["notation"])), case["answer"], TOOLS)
    prediction = as_prediction(row, PredictionState.OK, read)
    verdict = judge_calls(row, prediction)
    assert (verdict.state.value if verdict else None) == case["state"]
    assert verdict is None or case.get("says", "") in verdict.detail
    assert bool(wrong_calls(row, prediction)) == (case["state"] not in {"right", None})
    given = None if read.loss and case["state"] != "right" else [{"name": call.name, "arguments": call.values} for call in read.calls]
    if read.loss is CallLoss.PARSER_LOST:  # what was read is compared all the same
        expected = reference_tools.scores(
            case["expected"] or [], [{"name": one.name, "arguments": one.values} for one in read.calls], TOOLS
        )
        expected["tool_call_match"] = 0.0
    else:
        expected = reference_tools.scores(case["expected"] or [], given, TOOLS)
    assert scores_of(row, prediction) == expected


def test_the_planted_errors_are_of_every_state_and_enough() -> None:
    assert {case["state"] for case in CASES} == {*(state.value for state in ToolState), None}
    assert sum(case["state"] not in {"right", None} for case in CASES) >= 20


def test_the_metrics_are_those_of_the_reference_on_calls_that_were_changed_at_random() -> None:
    chosen = random.Random(11)
    values: list[Any] = ["Rome", "Oslo", 3, 3.0, "3", True, None, [1, 2], [2, 1], {"radius": 5}, {}, 5, "C"]
    names = ["get_weather", "get_weather", "clock", "unknown"]

    def call() -> dict[str, Any]:
        keys = chosen.sample(["city", "days", "unit", "near", "zone"], chosen.randint(0, 3))
        return {"name": chosen.choice(names), "arguments": {key: chosen.choice(values) for key in keys}}

    seen = set()
    for _ in range(600):
        expected = [call() for _ in range(chosen.randint(0, 3))]
        given = [call() if chosen.random() < 0.3 else one for one in chosen.sample(expected, len(expected))]
        given = given[1:] if chosen.random() < 0.1 else [*given, call()] if chosen.random() < 0.1 else given
        [row], [prediction] = calling([given], [expected], TOOLS)
        found = scores_of(row, prediction)
        assert found == reference_tools.scores(expected, given, TOOLS), (expected, given)
        seen |= {(name, score) for name, score in found.items()}
    assert seen == {(name, score) for name in CALL_METRICS for score in (0.0, 1.0, None) if (name, score) != ("tool_call_match", None)}


def test_a_system_that_writes_text_alone_has_lost_what_looks_like_a_call_and_made_none_else() -> None:
    [row], _ = calling([[]], [[{"name": "clock", "arguments": {}}]], TOOLS)
    for text, state in (('{"name": "clock", "arguments": {}}', ToolState.PARSER_LOST), ("Nine.", ToolState.WRONG)):
        verdict = judge_calls(row, Prediction(row.id, PredictionState.OK, text))
        assert verdict is not None and verdict.state is state
    assert judge_calls(row, Prediction(row.id, PredictionState.ERROR)) is None, "nothing was answered"


def test_rows_without_tools_and_tools_without_a_schema_have_no_score() -> None:
    [row], [prediction] = calling([[]], [[]], None)
    assert scores_of(row, prediction) == dict.fromkeys(CALL_METRICS), "nothing says of tools"
    made = [{"name": "clock", "arguments": {}}]
    odd = [{"type": "function", "function": {"name": "clock", "parameters": {"type": "dict"}}}]
    for tools in (None, odd):
        [row], [prediction] = calling([made], [made], tools)
        assert scores_of(row, prediction) == {"tool_call_match": 1.0, "tool_name": 1.0, "tool_arguments": 1.0, "tool_schema_valid": None}


def test_a_required_argument_has_no_default() -> None:
    schema = {"type": "object", "properties": {"zone": {"type": "string", "default": "CET"}}}
    for required, score in (([], 1.0), (["zone"], 0.0)):
        tools = [{"type": "function", "function": {"name": "clock", "parameters": {**schema, "required": required}}}]
        [row], [prediction] = calling([[{"name": "clock", "arguments": {}}]], [[{"name": "clock", "arguments": {"zone": "CET"}}]], tools)
        assert scores_of(row, prediction)["tool_arguments"] == score


def test_a_malformed_call_beside_a_right_one_is_malformed() -> None:
    [row], _ = calling([[]], [[{"name": "clock", "arguments": {}}]], TOOLS)
    read = ReadAnswer("", (ToolCall.of("clock", {}),), CallLoss.MALFORMED, "cut")
    assert scores_of(row, as_prediction(row, PredictionState.OK, read)) == dict.fromkeys(CALL_METRICS, 0.0)
