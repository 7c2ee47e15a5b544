"""Generation on the fast path: the very tokens that the model's own writes, whatever is in the works beside them."""

import random
from pathlib import Path

import pytest
import torch

from tests.train.fast.test_llama import passes_of, write_model
from train.fast.forward import FastForward
from train.fast.generate import write_answers
from train.inference.generation import _generate_batch
from train.models.load import Model


def prompts_of(model: Model, number: int) -> list[list[int]]:
    """Prompts of unlike lengths, of which some begin alike."""
    drawn, vocabulary = random.Random(3), model.get_input_embeddings().num_embeddings
    shared = [drawn.randrange(5, vocabulary) for _ in range(30)]
    return [
        [*(shared if index % 2 else []), *(drawn.randrange(5, vocabulary) for _ in range(drawn.randrange(1, 25)))]
        for index in range(number)
    ]


def some_ends(model: Model, prompts: list[list[int]]) -> set[int]:
    """Tokens that end some of the answers, as what the model writes without an end tells."""
    written = [_generate_batch(model, [ids], {0}, 12, own_settings=False, enough=None)[0] for ids in prompts]
    return {0, *(ids[3 + index % 6] for index, ids in enumerate(written) if index % 3)}


@pytest.mark.parametrize(
    "kind", ["llama", "llama, biases", "llama, one key head a query", "llama, scaled positions", "mistral", "qwen2", "qwen3"]
)
@pytest.mark.parametrize("max_batch_tokens", [1, 200, 100_000])
def test_the_tokens_are_those_of_the_models_own(kind: str, max_batch_tokens: int, tmp_path: Path) -> None:
    passes = passes_of(write_model(tmp_path, kind), lora={"rank": 4}, exact=True)
    passes.scorer.restore_attention()
    model = passes.model.eval()
    prompts = prompts_of(model, 13)
    ends = some_ends(model, prompts)
    limits = [12 if index % 4 else 5 for index in range(len(prompts))]
    expected = [
        _generate_batch(model, [ids], ends, limit, own_settings=False, enough=None)[0] for ids, limit in zip(prompts, limits, strict=True)
    ]
    forward = FastForward.of(model)
    assert not isinstance(forward, str), forward
    done: list[int] = []
    found = write_answers(forward, prompts, limits, end_ids=ends, max_batch_tokens=max_batch_tokens, advance=done.append)
    cut = [ids[: next((place + 1 for place, token in enumerate(ids) if token in ends), len(ids))] for ids in expected]
    assert found == cut
    assert len({len(ids) for ids in found}) > 3  # they end at unlike times
    assert sum(done) == len(prompts)


def test_an_adapter_that_is_switched_off_is_not_heard(tiny_model_dir: Path) -> None:
    passes = passes_of(tiny_model_dir, exact=True)
    passes.scorer.restore_attention()
    model = passes.model.eval()
    prompts = prompts_of(model, 3)
    with model.disable_adapter():  # type: ignore[attr-defined]
        forward = FastForward.of(model)
        expected = _generate_batch(model, prompts[:1], {0}, 8, own_settings=False, enough=None)
    assert not isinstance(forward, str)
    assert write_answers(forward, prompts[:1], [8], end_ids={0}, max_batch_tokens=64) == expected
    tuned = FastForward.of(model)
    assert not isinstance(tuned, str)
    assert write_answers(tuned, prompts[:1], [8], end_ids={0}, max_batch_tokens=64) != expected


def test_it_stops_once_enough_have_ended(tiny_model_dir: Path) -> None:
    passes = passes_of(tiny_model_dir, exact=True)
    passes.scorer.restore_attention()
    model = passes.model.eval()
    prompts = prompts_of(model, 6)
    forward = FastForward.of(model)
    assert not isinstance(forward, str)
    limits = [2, 2, 30, 30, 30, 30]
    found = write_answers(forward, prompts, limits, end_ids={0}, max_batch_tokens=10_000, enough=2)
    assert sorted(map(len, found))[:2] == [2, 2] and max(map(len, found)) < 30


def test_in_bfloat16_the_first_tokens_are_the_likeliest_of_the_same_precision(tiny_model_dir: Path) -> None:
    passes = passes_of(tiny_model_dir, dtype="bfloat16", exact=True)
    passes.scorer.restore_attention()
    model = passes.model.eval()
    prompts = prompts_of(model, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # what is trained is float32
        forward = FastForward.of(model)
    assert not isinstance(forward, str)
    found = write_answers(forward, prompts, [4] * 8, end_ids={0}, max_batch_tokens=10_000)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = [model(input_ids=torch.tensor([ids])).logits[0, -1].float() for ids in prompts]
    for ids, one in zip(found, logits, strict=True):
        assert one[ids[0]] >= one.max() - 0.1
