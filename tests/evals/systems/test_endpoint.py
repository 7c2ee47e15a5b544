"""A server as a system: what it writes and how likely it finds choices, and what it costs when it fails, lags or answers nonsense."""

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals.config import EndpointOptions, EvalsConfig
from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow, load_rows
from evals.data.tool_answers import ToolState, judge_calls
from evals.run import evaluate_dataset
from evals.systems.base import EvalContext
from evals.systems.endpoint import Endpoint
from evals.systems.spec import SystemSpec
from evals.testing import chats, check_system
from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from templates.chat import Message
from templates.form import Form
from tests.evals.conftest import options
from tests.evals.fake_server import QUICK, Fake, repeated, said

pytest.importorskip("openai")


def by_letter(body: dict[str, Any], _: int) -> tuple[int, dict[str, str], Any]:
    """The log-probabilities of a prompt, a letter a token: minus its place in the alphabet."""
    text = body["prompt"] + "!"
    values = [None, *(-(ord(letter) % 32) / 100 for letter in text[1:])]
    logprobs = {"tokens": list(text), "token_logprobs": values, "text_offset": list(range(len(text))), "top_logprobs": None}
    choice = {"index": 0, "text": text, "finish_reason": "length", "logprobs": logprobs}
    return 200, {}, {"id": "1", "object": "text_completion", "created": 1, "model": "small", "choices": [choice]}


def written(number: int = 3) -> list[EvalRow]:
    return chats([""] * number, [f"answer {index}" for index in range(number)], [f"question {index}" for index in range(number)])[0]


def asked(server: Fake, rows: list[EvalRow], **changes: Any) -> tuple[dict[str, Prediction], list[str]]:
    context = EvalContext(rows, [], Form.CHAT, EvalsConfig(endpoint=EndpointOptions(**{**QUICK, **changes})))
    found = Endpoint(SystemSpec("endpoint", server.argument)).answer(context, lambda _: None)
    return {one.id: one for one in found}, context.notes


def test_it_writes_what_the_server_says_several_at_a_time_and_says_what_that_took(fake: Callable[[Any], Fake]) -> None:
    def slow(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], Any]:
        time.sleep(0.05)
        return repeated(body, number)

    server = fake(slow)
    found, notes = asked(server, written(12), concurrency=4, input_price=1.0, output_price=2.0)
    assert [found[str(index)].text for index in range(12)] == [f"question {index}" for index in range(12)]
    assert 1 < server.most_at_once <= 4
    assert all(request["temperature"] == 0 and request["max_tokens"] >= 16 for request in server.requests)
    assert "12 requests answered, 0 of them known from before" in notes[0]
    assert "120 tokens read, 60 written; cost 0.0002 by the config's prices" in notes[0]


def test_it_keeps_the_contract_of_systems(fake: Callable[[Any], Fake], reviews: Path) -> None:
    config = EvalsConfig(endpoint=EndpointOptions(**QUICK))
    check_system(Endpoint, f"endpoint:{fake(repeated).argument}", EvalContext(written(), [], Form.CHAT, config))
    rows = load_rows(Dataset.open(reviews), "validation")[0]
    check_system(Endpoint, f"endpoint:{fake(by_letter).argument}", EvalContext(rows, [], Form.VERBALIZER, config))


def test_what_is_put_off_or_fails_for_a_while_is_asked_again(fake: Callable[[Any], Fake]) -> None:
    failures = [(429, {"retry-after": "0"}, {"error": "slow down"}), (500, {}, "no"), (200, {}, "{"), (200, {}, {"choices": []})]
    times: Counter[str] = Counter()

    def unreliable(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], Any]:
        question = body["messages"][-1]["content"]
        times[question] += 1
        if times[question] == 1 and int(question.split()[1]) < 3:
            return failures[int(question.split()[1])]
        return repeated(body, number)

    server = fake(unreliable)
    found, _ = asked(server, written(4))
    assert {one.state for one in found.values()} == {PredictionState.OK}
    assert len(server.requests) == 4 + 3


@pytest.mark.parametrize(
    ("failure", "why", "num_requests"),
    [
        ((503, {}, {"error": {"message": "overloaded"}}), r"503.*\(3 tries\)", 9),
        ((200, {}, {"choices": []}), "no message in it", 3),
        ((400, {}, {"error": {"message": "too long"}}), "400.*too long", 3),
    ],
)
def test_what_is_not_answered_is_an_error_of_that_example(failure: Any, why: str, num_requests: int, fake: Callable[[Any], Fake]) -> None:
    server = fake(lambda *_: failure)
    found, _ = asked(server, written(), concurrency=1)
    assert {one.state for one in found.values()} == {PredictionState.ERROR} and len(server.requests) == num_requests
    assert all(re.search(why, one.detail or "") for one in found.values())


def test_a_model_that_refuses_the_older_name_of_the_limit_is_asked_by_the_newer(fake: Callable[[Any], Fake]) -> None:
    """Several are refused at once before one of them is told; each is asked again."""

    def newer(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], Any]:
        if "max_tokens" in body:
            time.sleep(0.1)
            return 400, {}, {"error": {"message": "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."}}
        return repeated(body, number)

    server = fake(newer)
    found, _ = asked(server, written(8), concurrency=4)
    assert {one.state for one in found.values()} == {PredictionState.OK}
    assert all(request["max_completion_tokens"] >= 16 for request in server.requests if "max_tokens" not in request)
    assert 4 <= sum("max_tokens" in request for request in server.requests) < 8


def test_a_key_that_is_refused_is_not_tried_on_every_row(fake: Callable[[Any], Fake]) -> None:
    server = fake(lambda *_: (401, {}, {"error": {"message": "wrong key"}}))
    found, _ = asked(server, written(10), concurrency=1)
    assert len(server.requests) == 1 and all("401" in (one.detail or "") for one in found.values())


def test_a_server_that_lags_is_left_and_an_answer_that_was_cut_is_unfinished(fake: Callable[[Any], Fake]) -> None:
    def lagging(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], Any]:
        if body["messages"][-1]["content"] == "question 0":
            time.sleep(1.0)
        return 200, {}, said("too long an", "length")

    found, _ = asked(fake(lagging), written(2), timeout=0.3, retries=0)
    assert found["0"].state is PredictionState.ERROR and "APITimeoutError" in (found["0"].detail or "")
    assert found["1"].state is PredictionState.UNFINISHED and found["1"].text == "too long an"


def test_what_was_answered_is_not_asked_again_and_a_line_that_was_cut_is(fake: Callable[[Any], Fake], tmp_path: Path) -> None:
    server = fake(repeated)
    asked(server, written(2))
    found, notes = asked(server, written(3))
    assert len(server.requests) == 3 and "2 of them known from before" in notes[0]
    [kept] = (tmp_path / "cache" / "endpoints").glob("*.jsonl")
    kept.write_text(kept.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    again, _ = asked(server, written(3))
    assert again == found and len(server.requests) == 4
    asked(server, written(3), reuse=False)
    assert len(server.requests) == 7


def test_no_more_is_asked_than_the_budget_lets(fake: Callable[[Any], Fake], reviews: Path, tmp_path: Path) -> None:
    server = fake(repeated)
    found, _ = asked(server, written(6), concurrency=1, input_price=1e5, budget=3.0)  # each answer costs 1
    assert len(server.requests) == 3
    assert sum("the budget of 3 is spent" in (one.detail or "") for one in found.values()) == 3
    given = options(systems=(f"endpoint:{server.argument}",), endpoint=EndpointOptions(budget=1.0))
    with pytest.raises(UserError, match="a budget is given, and no price"):
        evaluate_dataset(reviews, tmp_path / "out", given)


def test_choices_are_scored_by_the_log_probabilities_of_the_prompt(fake: Callable[[Any], Fake], reviews: Path) -> None:
    rows = load_rows(Dataset.open(reviews), "validation")[0]
    found, _ = asked(fake(by_letter), rows)
    for row in rows:
        assert row.choices is not None and row.target is not None and row.prompt is not None
        space = row.prompt[len(row.prompt.rstrip()) :]
        texts = [space + row.target.removesuffix(row.reference) + choice for choice in row.choices]
        expected = [sum(-(ord(letter) % 32) / 100 for letter in text) for text in texts]
        assert found[row.id].loglikelihoods == pytest.approx(expected)
        assert found[row.id].text == row.choices[expected.index(max(expected))]


@pytest.mark.parametrize("without", [{"logprobs": None}, {"logprobs": {"tokens": [], "token_logprobs": [], "text_offset": []}}])
def test_a_server_without_log_probabilities_answers_no_choices(without: dict[str, Any], fake: Callable[[Any], Fake], reviews: Path) -> None:
    def silent(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], Any]:
        status, headers, answer = by_letter(body, number)
        answer["choices"][0] |= without
        return status, headers, answer

    server = fake(silent)
    found, _ = asked(server, load_rows(Dataset.open(reviews), "validation")[0], retries=0)
    assert all("choices need the log-probabilities of a prompt" in (one.detail or "") for one in found.values())
    assert len(server.requests) == 1


CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}


def calling(*calls: dict[str, Any], text: str | None = None) -> dict[str, Any]:
    """What a server says that has read calls of an answer."""
    answer = said(text or "", "tool_calls")
    made = [{"id": f"call_{place}", "type": "function", "function": call} for place, call in enumerate(calls)]
    answer["choices"][0]["message"] = {"role": "assistant", "content": text, "tool_calls": made or None}
    return answer


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (calling({"name": "clock", "arguments": '{"zone": "CET"}'}), ToolState.RIGHT),
        (calling({"name": "clock", "arguments": '{"zone": "CET"}'}, text="Let me see."), ToolState.RIGHT),
        (calling({"name": "clock", "arguments": '{"zone": "UTC"}'}), ToolState.WRONG),
        (calling({"name": "clock", "arguments": '{"zone": "CE'}), ToolState.MALFORMED),
        (calling({"name": "", "arguments": "{}"}), ToolState.MALFORMED),
        (calling(text="clock(zone='CET')"), ToolState.PARSER_LOST),
        (calling(text="Nine."), ToolState.WRONG),
    ],
)
def test_the_calls_that_a_server_has_read_are_taken_and_kept(answer: dict[str, Any], state: ToolState, fake: Callable[[Any], Fake]) -> None:
    [row] = written(1)
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "CET"}'}}
    messages: list[Message] = [*(row.messages or [])[:-1], {"role": "assistant", "content": None, "tool_calls": [call]}]
    rows = [replace(row, messages=messages, tools=[CLOCK])]
    server = fake(lambda *_: (200, {}, answer))
    found, _ = asked(server, rows)
    verdict = judge_calls(rows[0], found["0"])
    assert verdict is not None and verdict.state is state
    assert server.requests[0]["tools"] == [CLOCK] and found["0"].state is PredictionState.OK
    assert asked(server, rows)[0] == found and len(server.requests) == 1, "its calls are known from before, too"
