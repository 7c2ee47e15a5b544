"""Greedy generation in batches against one prompt at a time, token by token."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from evals.config import EvalsConfig
from evals.data.rows import load_rows
from evals.predict.requests import encode_question, frame_question
from evals.run import evaluate_dataset
from prep.dataset.manifest import Dataset
from templates.chat import ChatTemplateConfig, Message, encode_prompt
from tests.conftest import make_tokenizer
from tests.evals.conftest import make_run
from tests.helpers import encode_one
from tests.templates.test_chat_shapes import EMPTY_THOUGHT
from train.inference.generation import Generated, generate
from train.inference.language_model import LanguageModel
from train.runs.record import RunRecord


@pytest.fixture(scope="module")
def language_model(tiny_model_dir: Path, adapter_dir: Path) -> LanguageModel:
    return LanguageModel(str(tiny_model_dir), "float32", {"run": adapter_dir})


def greedy(model: Any, prompt: list[int], num_tokens: int, end_ids: set[int]) -> tuple[list[int], bool]:
    ids = list(prompt)
    for _ in range(num_tokens):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] in end_ids:
            return ids[len(prompt) : -1], True
    return ids[len(prompt) :], False


@pytest.mark.parametrize("max_batch_tokens", [1, 10_000])
def test_a_batch_padded_on_the_left_answers_as_each_prompt_alone(language_model: LanguageModel, max_batch_tokens: int) -> None:
    prompts = [[5, 9, 200], [31], [7, 8, 9, 10, 11, 12, 13, 14], [40, 41]]
    with language_model.with_adapter("run") as model:
        expected = [greedy(model, prompt, 6, {2}) for prompt in prompts]
        # A token that some answers reach becomes an end token: those answers end there and the others go on.
        end = expected[0][0][2]
        expected = [greedy(model, prompt, 6, {2, end}) for prompt in prompts]
        answers = generate(
            model,
            language_model.tokenizer,
            prompts,
            end_ids={2, end},
            max_length=512,
            max_new_tokens=6,
            max_batch_tokens=max_batch_tokens,
            advance=lambda _done: None,
        )
    decoded = [language_model.tokenizer.decode(ids, skip_special_tokens=True) for ids, _ in expected]
    assert [answer.text for answer in answers] == decoded
    assert [answer.is_finished for answer in answers] == [finished for _, finished in expected]
    assert answers[0].is_finished


def test_an_answer_ends_where_the_context_is_full(language_model: LanguageModel) -> None:
    with language_model.with_adapter(None) as model:
        answers = generate(
            model,
            language_model.tokenizer,
            [[5] * 30, [6] * 3],
            end_ids={2},
            max_length=32,
            max_new_tokens=8,
            max_batch_tokens=10_000,
            advance=lambda _done: None,
        )
        alone = greedy(model, [6] * 3, 8, {2})[0]
    assert not answers[0].is_finished
    # The long prompt leaves room for two tokens; its neighbour keeps all eight.
    assert answers[1].text == language_model.tokenizer.decode(alone, skip_special_tokens=True)


def test_the_prompt_is_the_untrained_beginning_of_the_trained_chat(language_model: LanguageModel, summaries: Path) -> None:
    for row in load_rows(Dataset.open(summaries), "validation")[0]:
        assert row.messages is not None
        trained = encode_one(language_model.tokenizer, row.messages)
        prompt = encode_question(language_model.tokenizer, row)
        first = next(index for index, weight in enumerate(trained.loss_weights) if weight > 0)
        assert prompt == trained.input_ids[:first]


def test_the_trained_end_of_turn_token_ends_an_answer(language_model: LanguageModel, summaries: Path) -> None:
    row = load_rows(Dataset.open(summaries), "validation")[0][0]
    assert frame_question(language_model.tokenizer, row).end_ids == {language_model.tokenizer.convert_tokens_to_ids("<|im_end|>")}


def test_what_a_chat_template_writes_around_an_answer_is_no_part_of_it(
    tiny_model_dir: Path, summaries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model gives back what training teaches it: the answer in its template's wrapping, and once the bare answer."""
    model_dir = tmp_path / "model"
    shutil.copytree(tiny_model_dir, model_dir)
    tokenizer = make_tokenizer(EMPTY_THOUGHT)
    tokenizer.save_pretrained(model_dir)
    rows = load_rows(Dataset.open(summaries), "validation")[0]
    taught = {}
    for index, row in enumerate(rows):
        assert row.messages is not None
        encoded = encode_one(tokenizer, row.messages)
        answer = [token for token, weight in zip(encoded.input_ids, encoded.loss_weights, strict=True) if weight]
        bare = [*tokenizer.encode(row.reference, add_special_tokens=False), answer[-1]]
        taught[tuple(encode_question(tokenizer, row))] = answer if index else bare

    def write(_: Any, __: Any, prompts: list[list[int]], *, end_ids: set[int], max_new_tokens: int, **___: Any) -> list[Generated]:
        answers = [taught[tuple(prompt)] for prompt in prompts]
        assert all(answer[-1] in end_ids and len(answer) <= max_new_tokens for answer in answers)
        return [Generated(answer, tokenizer.decode(answer[:-1]), is_finished=True) for answer in answers]

    monkeypatch.setattr("evals.systems.prompted.generate", write)
    # The limit is the answer's: what is written around it comes on top.
    longest = max(len(tokenizer.encode(row.reference, add_special_tokens=False)) for row in rows) + 1
    config = EvalsConfig(model=str(model_dir), systems=("base",), metrics=("exact_match",), dtype="float32", max_new_tokens=longest)
    report = evaluate_dataset(summaries, tmp_path / "evals", config)
    assert report.systems["base"].metrics["exact_match"].value == 1.0


def test_each_adapter_is_asked_as_its_run_was_trained(tiny_model_dir: Path, tmp_path: Path) -> None:
    folders = {}
    for name, fold in (("plain", False), ("folding", True)):
        folders[name] = make_run(tmp_path / name, tiny_model_dir)
        RunRecord.load(folders[name]).model_copy(update={"chat_template": ChatTemplateConfig(fold_system=fold)}).save(folders[name])
    asked = LanguageModel(str(tiny_model_dir), "float32", folders)
    messages: list[Message] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hm"}]
    prompts = {name: asked.tokenizer.decode(encode_prompt(asked.tokenizer_of(name), messages)) for name in (None, "plain", "folding")}
    assert prompts[None] == prompts["plain"] != prompts["folding"]
    assert "user\nBe brief.\n\nHm" in prompts["folding"]
    alone = LanguageModel(str(tiny_model_dir), "float32", {}, ChatTemplateConfig(fold_system=True))
    assert alone.tokenizer.decode(encode_prompt(alone.tokenizer_of(None), messages)) == prompts["folding"]
