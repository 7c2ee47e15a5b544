"""Chats that end on a call of a tool, from the prompt to the report; and answers that are JSON."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from evals.data.prediction import PredictionState
from evals.data.references import ReferenceKinds
from evals.data.rows import EvalRow, load_rows
from evals.data.saved import read_predictions
from evals.predict.calls import num_call_tokens, with_call_ends, written_prediction
from evals.predict.requests import encode_question, frame_question
from evals.run import evaluate_dataset
from loopwright.errors import UserError
from loopwright.files import read_json_lines
from prep.api import build_dataset
from prep.dataset.manifest import Dataset
from templates.calls import CallLoss, ToolCall
from tests.call_notations import calling_tokenizer
from tests.evals.conftest import SUMMARY_TEMPLATE, options
from tests.helpers import encode_one, summary, write_dataset
from train.inference.generation import Generated

CLOCK = {
    "type": "function",
    "function": {
        "name": "clock",
        "description": "Tells the time.",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
    },
}
TEMPLATE = SUMMARY_TEMPLATE.model_copy(update={"name": "mine/calls", "metrics": []})
JSON_TEMPLATE = SUMMARY_TEMPLATE.model_copy(update={"name": "mine/json", "metrics": []})


def call_row(number: int, zone: str | None, *, split: str = "validation", content: str | None = None) -> dict[str, Any]:
    """An example that asks for the time: of a zone by a call, else in words."""
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": json.dumps({"zone": zone})}}
    beside = None if zone is None else {"tool_calls": [call]}
    messages = [{"role": "user", "content": f"Question {number}?"}, {"role": "assistant", "content": content if zone else "Nine."}]
    extras = json.dumps({"tools": [CLOCK], "messages": [None, beside]})
    return {"id": f"c{number}", "row_id": f"c{number}", "split": split, "template": TEMPLATE.name, "messages": messages, "extras": extras}


def calls_dataset(folder: Path, zones: list[str | None], template: Any = TEMPLATE) -> Path:
    rows = [call_row(number, zone) for number, zone in enumerate(zones)]
    rows += [call_row(100 + number, zone, split="train") for number, zone in enumerate(("CET", "UTC", None))]
    return write_dataset(folder, rows, templates=[template])


def hermes(zone: str) -> str:
    return f'<tool_call>\n{{"name": "clock", "arguments": {{"zone": "{zone}"}}}}\n</tool_call>'


@pytest.fixture
def model_dir(tiny_model_dir: Path, tmp_path: Path) -> Callable[[str], Path]:
    """The tiny model with a chat template that writes calls in a notation."""

    def make(notation: str) -> Path:
        folder = tmp_path / f"model-{notation}"
        shutil.copytree(tiny_model_dir, folder)
        calling_tokenizer(notation, with_marks=False).save_pretrained(folder)
        return folder

    return make


def saying(monkeypatch: pytest.MonkeyPatch, notation: str, answers: dict[str, str]) -> None:
    """Lets a model write an answer to each question, and else the question itself."""
    tokenizer = calling_tokenizer(notation, with_marks=False)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")

    def write(_: Any, __: Any, prompts: list[list[int]], *, end_ids: set[int], max_new_tokens: int, **___: Any) -> list[Generated]:
        asked = [tokenizer.decode(prompt).rpartition("user\n")[2].partition("<|im_end|>")[0] for prompt in prompts]
        said = [[*tokenizer.encode(answers.get(question, question), add_special_tokens=False), end] for question in asked]
        assert end in end_ids and max(map(len, said)) <= max_new_tokens
        return [Generated(ids, tokenizer.decode(ids[:-1]), is_finished=True) for ids in said]

    monkeypatch.setattr("evals.systems.prompted.generate", write)


def test_a_chat_that_ends_on_a_call_is_evaluated_by_its_calls(
    tmp_path: Path, model_dir: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = calls_dataset(tmp_path / "data", ["CET", "UTC", "CET", "CET", None, None])
    answers = {
        "Question 0?": hermes("CET"),
        "Question 1?": hermes("CET"),
        "Question 2?": hermes("CET")[:-20],
        "Question 3?": "```json\n" + '{"name": "clock", "arguments": {"zone": "CET"}}' + "\n```",
        "Question 4?": "Nine.",
        "Question 5?": hermes("UTC"),
    }
    saying(monkeypatch, "hermes", answers)
    report = evaluate_dataset(
        dataset, tmp_path / "out", options(model=str(model_dir("hermes")), systems=("base", "nearest"), max_new_tokens=200)
    )
    base = report.systems["base"]
    assert list(base.metrics)[:4] == ["tool_call_match", "tool_name", "tool_arguments", "tool_schema_valid"]
    values = {name: value.value for name, value in base.metrics.items()}
    assert [values[name] for name in ("tool_call_match", "tool_name", "tool_schema_valid")] == pytest.approx([2 / 6, 2 / 4, 2 / 4])
    assert report.tool_states["base"] == {"right": 1, "wrong": 2, "malformed": 1, "parser_lost": 1}
    assert any("1 of 5 answers with calls hold one that could not be read" in text for text in report.warnings)
    found = pl.read_parquet(tmp_path / "out" / "predictions.parquet").filter(pl.col("system") == "base").sort("id")
    assert found["tool_state"].to_list() == ["right", "wrong", "malformed", "parser_lost", None, "wrong"]
    assert found["reference"][0] == found["prediction"][0] == '[{"name": "clock", "arguments": {"zone": "CET"}}]'
    assert found["prediction"][2] == hermes("CET")[:-20], "what was not read is kept as it was written"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "What became of the calls" in page and "parser lost" in page and "How the answers are JSON" not in page
    failed = {one["id"]: one["calls"] for one in read_json_lines(tmp_path / "out" / "failures.jsonl")}
    assert failed.keys() == {"c1", "c2", "c3", "c5"} and failed["c1"] == {"state": "wrong", "detail": "clock: 'zone' has another value"}
    assert sum(report.tool_states["nearest"].values()) >= 4 and "parser_lost" not in report.tool_states["nearest"]


@pytest.mark.parametrize(("zones", "first"), [(["CET", "UTC", None], "tool_call_match"), ([None, None, None, None, "CET"], "rouge1")])
def test_the_calls_decide_where_most_answers_are_calls(
    tmp_path: Path, model_dir: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, zones: list[str | None], first: str
) -> None:
    saying(monkeypatch, "hermes", {})
    dataset = calls_dataset(tmp_path / "data", zones, TEMPLATE.model_copy(update={"metrics": ["rouge1"]}))
    given = options(model=str(model_dir("hermes")), systems=("base",), max_new_tokens=200)
    base = evaluate_dataset(dataset, tmp_path / "out", given).systems["base"]
    assert {*base.metrics} == {"tool_call_match", "tool_name", "tool_arguments", "tool_schema_valid", "rouge1", "answer_nll"} and next(
        iter(base.metrics)
    ) == first
    scores = read_predictions(tmp_path / "out" / "predictions.parquet").unnest("scores")
    assert scores["rouge1"].null_count() == sum(zone is not None for zone in zones), "a call is no words"
    named = evaluate_dataset(dataset, tmp_path / "named", given.model_copy(update={"metrics": ("tool_name",)}))
    assert [*named.systems["base"].metrics] == ["tool_name"]


@pytest.mark.parametrize("notation", ["hermes", "llama", "mistral", "sections", "tagged"])
def test_the_prompt_is_the_trained_one_and_what_training_teaches_is_read(notation: str, tmp_path: Path) -> None:
    tokenizer = calling_tokenizer(notation)
    for row in load_rows(Dataset.open(calls_dataset(tmp_path / "data", ["CET", None])), "validation")[0]:
        assert row.messages is not None
        encoded = encode_one(tokenizer, row.messages, row.tools)
        trained = [place for place, weight in enumerate(encoded.loss_weights) if weight]
        prompt, frame = encode_question(tokenizer, row), frame_question(tokenizer, row)
        assert prompt == encoded.input_ids[: trained[0]]
        taught = encoded.input_ids[trained[0] : trained[-1] + 1]
        assert taught[-1] in frame.end_ids and num_call_tokens(tokenizer, row) == (len(taught) if row.calls else 0)
        prediction = written_prediction(tokenizer, row, frame, prompt_ids=prompt, said_ids=taught[:-1], state=PredictionState.OK)
        assert (prediction.text, prediction.calls) == (row.reference, row.calls)


def test_a_model_whose_notation_is_not_known_is_told_and_loses_its_calls(
    tmp_path: Path, model_dir: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = calls_dataset(tmp_path / "data", ["CET", "CET"])
    saying(monkeypatch, "own", {"Question 0?": "clock(zone='CET')"})
    report = evaluate_dataset(dataset, tmp_path / "out", options(model=str(model_dir("own")), systems=("base",), max_new_tokens=200))
    assert report.tool_states == {"base": {"wrong": 1, "parser_lost": 1}}
    assert sum("none of the model's can be read" in text for text in report.notes) == 1


def test_calls_that_cannot_be_read_are_left_out_and_counted(tmp_path: Path) -> None:
    broken = call_row(1, "CET")
    broken["extras"] = broken["extras"].replace('{\\"zone\\": \\"CET\\"}', "{zone")
    dataset = Dataset.open(write_dataset(tmp_path / "data", [call_row(0, "CET"), broken], templates=[TEMPLATE]))
    usable, num_other = load_rows(dataset, "validation")
    assert ([row.row_id for row in usable], num_other) == (["c0"], 1)
    assert usable[0].calls == (ToolCall.of("clock", {"zone": "CET"}),)


def rows_of(tmp_path: Path) -> list[EvalRow]:
    return load_rows(Dataset.open(calls_dataset(tmp_path / "data", ["CET", None])), "validation")[0]


RESPONSE = {
    "start_anchor": "<|im_start|>assistant\n",
    "defaults": {"role": "assistant"},
    "fields": {
        "content": {},
        "tool_calls": {
            "open": "<tool_call>",
            "close": "</tool_call>",
            "content": "json",
            "repeats": True,
            "transform": {"type": "function", "function": {"name": "{content.name}", "arguments": "{content.arguments}"}},
        },
    },
}


@pytest.mark.parametrize(
    ("answer", "calls", "loss"),
    [
        (hermes("CET"), 1, None),
        (f"Hm. {hermes('CET')}{hermes('UTC')}", 2, None),
        ("Nine.", 0, None),
        (hermes("CET")[:-20], 0, CallLoss.MALFORMED),
        ('<tool_call>{"arguments": {}}</tool_call>', 0, CallLoss.MALFORMED),
        ("clock(zone='CET')", 0, CallLoss.PARSER_LOST),
    ],
)
def test_the_parser_that_a_tokenizer_brings_is_asked_first(answer: str, calls: int, loss: CallLoss | None, tmp_path: Path) -> None:
    tokenizer = calling_tokenizer("own")
    tokenizer.response_template = RESPONSE
    row = rows_of(tmp_path)[0]
    frame, prompt = frame_question(tokenizer, row), encode_question(tokenizer, row)
    said = tokenizer.encode(answer, add_special_tokens=False)
    found = written_prediction(tokenizer, row, frame, prompt_ids=prompt, said_ids=said, state=PredictionState.OK)
    assert (len(found.calls), found.call_loss) == (calls, loss)
    assert found.calls or found.text == answer


def test_the_end_of_a_turn_with_calls_is_asked_where_a_row_says_of_tools(tmp_path: Path) -> None:
    tokenizer = calling_tokenizer("hermes")
    tokenizer.chat_template = str(tokenizer.chat_template).replace(
        "{% endif %}<|im_end|>", "{% endif %}{{ '<|endoftext|>' if m.tool_calls else '<|im_end|>' }}"
    )
    row = rows_of(tmp_path)[0]
    other = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    assert other in frame_question(tokenizer, row).end_ids
    assert with_call_ends(tokenizer, replace(row, messages=[], tools=None), frozenset()) == frozenset()


def json_dataset(folder: Path, references: list[str], template: Any = JSON_TEMPLATE) -> Path:
    rows = [
        summary(f"Question {number}?", one, split="validation", row_id=f"j{number}", template=template.name)
        for number, one in enumerate(references)
    ]
    rows += [summary(f"Train {number}?", one, row_id=f"t{number}", template=template.name) for number, one in enumerate(references)]
    return write_dataset(folder, [{**row, "id": row["row_id"]} for row in rows], templates=[template])


def test_answers_that_are_json_are_measured_by_their_fields(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    references = [
        '{"city": "Rome", "days": 3}',
        '{"city": "Oslo", "days": 1}',
        '{"city": "Bern", "days": 2}',
        '{"city": "Kyiv", "days": 5}',
    ]
    answers = {
        "Question 0?": '```json\n{"days": 3.0, "city": "Rome"}\n```',
        "Question 1?": '{"city": "Oslo", "days": "1"}',
        "Question 2?": "Sure: {'city': 'Bern'}",
        "Question 3?": '{"city": "Kyiv", "days": 5}',
    }
    saying(monkeypatch, "hermes", answers)
    given = options(model=str(tiny_model_dir), systems=("base",), max_new_tokens=200)
    report = evaluate_dataset(json_dataset(tmp_path / "data", references), tmp_path / "out", given)
    values = {name: value.value for name, value in report.systems["base"].metrics.items() if name.startswith("json")}
    assert values == {"json_f1": pytest.approx(2 * 5 / (6 + 8)), "json_valid": 3 / 4}
    assert report.json_states == {"base": {"plain": 2, "fenced": 1, "invalid": 1}} and report.tool_states == {}
    assert any("1 of 4 JSON answers stand in a code fence" in text for text in report.notes)
    failed = [one["id"] for one in read_json_lines(tmp_path / "out" / "failures.jsonl")]
    assert failed == ["j1", "j2"], "another order of keys and a fence are no failures"


def test_json_that_says_sentences_fails_where_it_is_none_alone(
    tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = [json.dumps({"summary": f"The parcel of day {number} was late, and nobody called."}) for number in range(4)]
    saying(monkeypatch, "hermes", {"Question 0?": '{"summary": "It was late."}', "Question 1?": "It was late."})
    given = options(model=str(tiny_model_dir), systems=("base",), max_new_tokens=200)
    evaluate_dataset(json_dataset(tmp_path / "data", references), tmp_path / "out", given)
    failed = [one["id"] for one in read_json_lines(tmp_path / "out" / "failures.jsonl")]
    assert failed == ["j1", "j2", "j3"]


def test_templates_are_told_by_what_their_answers_are(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    found = ReferenceKinds.of(rows, [])
    assert found.calls == found.mostly_calls == {TEMPLATE.name}
    assert not found.json and not found.labels
    answers = ['{"a": "x"}'] * 9
    for more, is_one in ((["[1]"], True), (["words"], True), (["words", "more words"], False)):
        some = load_rows(Dataset.open(json_dataset(tmp_path / f"data-{len(more)}-{more[0]}", answers + more)), "validation")[0]
        assert bool(ReferenceKinds.of(some, []).json) is is_one


def test_the_schema_that_a_template_says_is_what_its_answers_are_held_against(
    tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = {"type": "object", "properties": {"note": {"type": "string", "maxLength": 60}}, "required": ["note"]}
    references = [json.dumps({"note": f"The parcel of day {number} was late, and nobody called."}) for number in range(3)]
    saying(monkeypatch, "hermes", {"Question 0?": '{"note": "It was late."}', "Question 1?": '{"text": "It was late."}'})
    dataset = json_dataset(tmp_path / "data", references, JSON_TEMPLATE.model_copy(update={"answer_schema": schema}))
    report = evaluate_dataset(dataset, tmp_path / "out", options(model=str(tiny_model_dir), systems=("base",), max_new_tokens=200))
    values = {name: value.value for name, value in report.systems["base"].metrics.items() if name.startswith("json")}
    assert values == {"json_f1": 0.0, "json_valid": pytest.approx(2 / 3), "json_schema_valid": pytest.approx(1 / 3)}
    assert [one["id"] for one in read_json_lines(tmp_path / "out" / "failures.jsonl")] == ["j1", "j2"]


_TEMPLATE = """---
name: mine/json
inputs: {{text: str, note: str}}
answer_schema: {schema}
---
{{% message "user" %}}{{{{ text }}}}{{% endmessage %}}{{% message "assistant" %}}{{"note": {{{{ note | tojson }}}}}}{{% endmessage %}}
"""


def test_a_build_keeps_the_schema_and_refuses_one_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": "t{one}", "note": "n"}}\n' for one in range(20)), encoding="utf-8")
    config = tmp_path / "mine.yaml"
    config.write_text("name: mine\nsources: [{path: rows.jsonl}]\ntemplates: [{path: mine.jinja}]\n", encoding="utf-8")
    (tmp_path / "mine.jinja").write_text(_TEMPLATE.format(schema="{required: [note]}"), encoding="utf-8")
    dataset = Dataset.open(build_dataset(config, tmp_path / "out").out)
    assert [row.schema for row in load_rows(dataset, "validation")[0][:1]] == [{"required": ["note"]}]
    (tmp_path / "mine.jinja").write_text(_TEMPLATE.format(schema="{type: dict}"), encoding="utf-8")
    with pytest.raises(UserError, match="'answer_schema' is no JSON Schema that stands by itself"):
        build_dataset(config, tmp_path / "other")
