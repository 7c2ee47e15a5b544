"""Greedy generation: what a model's own settings change, and what `train chat` prints of an answer."""

from pathlib import Path
from typing import Any

import pytest
import torch

from train.inference.chat import Comparison
from train.inference.generation import generate
from train.runs.record import RunRecord

QUESTION = "The soup was great"


@pytest.fixture
def comparison(finished_run: tuple[Path, RunRecord]) -> Comparison:
    return Comparison.load(finished_run[0], max_new_tokens=12)


def prompt_of(comparison: Comparison) -> list[int]:
    return comparison.prompts(QUESTION)["base"].input_ids


def transformers_answer(comparison: Comparison, **settings: Any) -> list[int]:
    """What transformers writes with the model's own settings, sampling left out."""
    ids = torch.tensor([prompt_of(comparison)])
    with torch.inference_mode(), comparison.model.with_adapter(None) as model:
        output = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, pad_token_id=0, **settings
        )
    written: list[int] = output[0, ids.shape[1] :].tolist()
    return written


def answer(comparison: Comparison, *, own_settings: bool, end_ids: set[int]) -> list[int]:
    with comparison.model.with_adapter(None) as model:
        [written] = generate(
            model, comparison.model.tokenizer, [prompt_of(comparison)], end_ids=end_ids, max_new_tokens=12, own_settings=own_settings
        )
    return written.token_ids


def test_a_models_own_settings_count_only_where_asked_for(comparison: Comparison) -> None:
    plain = transformers_answer(comparison)
    comparison.model.model.generation_config.repetition_penalty = 5.0
    penalised = transformers_answer(comparison)
    assert penalised != plain
    ends = {comparison.model.tokenizer.eos_token_id}
    assert answer(comparison, own_settings=True, end_ids=ends) == penalised
    assert answer(comparison, own_settings=False, end_ids=ends) == plain
    assert comparison.ask(QUESTION).base == comparison.model.tokenizer.decode(penalised, skip_special_tokens=True).strip()


def test_an_end_token_that_is_a_word_is_shown_in_a_chat_and_is_no_part_of_the_text(comparison: Comparison) -> None:
    written = transformers_answer(comparison)
    end = written[3]
    comparison.model.model.generation_config.eos_token_id = [comparison.model.tokenizer.eos_token_id, end]
    shown = written[: written.index(end) + 1]
    assert comparison.ask(QUESTION).base == comparison.model.tokenizer.decode(shown, skip_special_tokens=True).strip()
    with comparison.model.with_adapter(None) as model:
        [answered] = generate(model, comparison.model.tokenizer, [prompt_of(comparison)], end_ids={end}, max_new_tokens=12)
    assert (answered.token_ids, answered.is_finished) == (shown, True)
    assert answered.text == comparison.model.tokenizer.decode(shown[:-1], skip_special_tokens=True)
