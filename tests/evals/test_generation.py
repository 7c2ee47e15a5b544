"""Greedy generation in batches against one prompt at a time, token by token."""

from pathlib import Path
from typing import Any

import pytest
import torch

from evals.data.rows import load_rows
from evals.predict.requests import encode_question, frame_question
from prep.dataset.manifest import Dataset
from templates.chat import encode_chat
from train.inference.generation import generate
from train.inference.language_model import LanguageModel


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
        trained = encode_chat(language_model.tokenizer, row.messages)
        prompt = encode_question(language_model.tokenizer, row)
        first = next(index for index, weight in enumerate(trained.loss_weights) if weight > 0)
        assert prompt == trained.input_ids[:first]


def test_the_trained_end_of_turn_token_ends_an_answer(language_model: LanguageModel, summaries: Path) -> None:
    row = load_rows(Dataset.open(summaries), "validation")[0][0]
    assert frame_question(language_model.tokenizer, row).end_ids == {language_model.tokenizer.convert_tokens_to_ids("<|im_end|>")}
