"""The prompt that is shown is the prompt that was put to the model, token by token."""

from pathlib import Path
from typing import Any

import pytest

from evals.config import EvalsConfig
from evals.data.prediction import PredictionState
from evals.evaluation import Evaluation, evaluate
from evals.plan import make_plan
from evals.reports.prompts import view_prompt
from evals.systems import prompted
from evals.systems.asked import PromptToken
from loopwright.progress import CallbackProgress
from templates.conversation import decode
from tests.evals.conftest import SUMMARY_TEMPLATE, options, review_rows, summary_rows
from tests.helpers import DEFAULT_TEMPLATE, write_dataset


def run(dataset: Path, config: EvalsConfig, monkeypatch: pytest.MonkeyPatch) -> tuple[Evaluation, list[list[int]]]:
    """Returns an evaluation and all contexts that were put to the model."""
    asked: list[list[int]] = []
    module: Any = prompted
    score, write = module.score_choices, module.generate

    def spy_score(model: Any, requests: Any, **given: Any) -> Any:
        asked.extend(request.context_ids for request in requests)
        return score(model, requests, **given)

    def spy_write(model: Any, tokenizer: Any, prompts: Any, **given: Any) -> Any:
        asked.extend(prompts)
        return write(model, tokenizer, prompts, **given)

    monkeypatch.setattr(prompted, "score_choices", spy_score)
    monkeypatch.setattr(prompted, "generate", spy_write)
    return evaluate(make_plan(dataset, config), config, CallbackProgress(None), split_key="", looks=None), asked


@pytest.mark.parametrize(("form", "system"), [("chat", "base"), ("verbalizer", "base"), ("chat", "fewshot:2")])
def test_it_is_token_for_token_what_the_model_was_given(
    tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch, form: str, system: str
) -> None:
    mixed = [{**row, "template": "calls/summary", "id": f"{row['row_id']}/calls/summary/0"} for row in summary_rows(3, 2)]
    dataset = write_dataset(tmp_path / "data", [*review_rows(12, 4), *mixed], templates=[DEFAULT_TEMPLATE, SUMMARY_TEMPLATE])
    config = options(model=str(tiny_model_dir), systems=(system,), form=form, max_new_tokens=2)
    evaluation, given = run(dataset, config, monkeypatch)
    asked = evaluation.asked[system]
    prompts = [asked.prompt_of(row.id) for row in evaluation.rows]
    assert sorted("".join(token.text for token in prompt) for prompt in prompts) == sorted(decode(asked.tokenizer, ids) for ids in given)
    assert sorted(sum(token.num_tokens for token in prompt) for prompt in prompts) == sorted(map(len, given))
    assert any(token.is_special for prompt in prompts for token in prompt)
    assert {one.state for made in evaluation.answers.values() for one in made.values()} <= {PredictionState.OK, PredictionState.UNFINISHED}


def test_a_system_without_a_model_was_asked_nothing(reviews: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation, _ = run(reviews, options(systems=("constant",)), monkeypatch)
    assert evaluation.asked == {}


def tokens(*texts: str) -> list[PromptToken]:
    return [PromptToken(text) for text in texts]


def test_an_identifier_over_several_tokens_becomes_one_that_tells_its_kind() -> None:
    said = tokens("call ", "415", "-555", "-01", "23 now", ", or", " 212-555-0188", ".")
    view = view_prompt([PromptToken("<|user|>", is_special=True), *said])
    assert view is not None
    assert view.tokens == ["<|user|>", "call ", "[PHONE_NUMBER] now", ", or", " [PHONE_NUMBER]", "."]
    assert view.special == [0] and view.num_tokens == 9 and view.cut_at is None


def test_a_long_prompt_keeps_its_beginning_and_its_end() -> None:
    view = view_prompt(tokens(*(f"w{index} " for index in range(5000))))
    assert view is not None and view.num_tokens == 5000
    assert view.tokens[0] == "w0 " and view.tokens[-1] == "w4999 " and view.cut_at == 400 and len(view.tokens) == 600


def test_nothing_is_shown_where_nothing_was_asked() -> None:
    assert view_prompt([]) is None
