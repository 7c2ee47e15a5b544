"""Log-likelihoods of parts of texts, against one plain forward pass a text: on the fast path, by the head, and by whole logits."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from train.fast.forward import FastForward
from train.inference import parts
from train.inference.parts import score_parts
from train.inference.requests import PartsRequest, TokenSpan
from train.models.load import load_model


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> Any:
    return load_model(str(tiny_model_dir), "float32")


def requests() -> list[PartsRequest]:
    """Texts of unlike lengths: two with one beginning, one of which a part stands in two places, and one that is read whole."""
    generator = torch.Generator().manual_seed(3)
    prompt, first, second, other = (torch.randint(5, 250, (size,), generator=generator).tolist() for size in (30, 6, 11, 20))
    pair = PartsRequest(([*prompt, *first], [*prompt, *second]), ((TokenSpan(30, 36, 0),), (TokenSpan(30, 41, 1),)), 2)
    turns = PartsRequest(([*other, *first, *second],), ((TokenSpan(3, 7, 0), TokenSpan(12, 13, 1), TokenSpan(25, 33, 0)),), 2)
    return [pair, turns, PartsRequest((other,), ((TokenSpan(1, 20, 0),),), 1)]


def expected(model: Any, request: PartsRequest) -> list[float]:
    sums = [0.0] * request.num_parts
    for ids, spans in zip(request.sequences, request.spans, strict=True):
        with torch.no_grad():
            logprobs = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        for span in spans:
            sums[span.part] += sum(float(logprobs[token - 1, ids[token]]) for token in range(span.start, span.end))
    return sums


@pytest.mark.parametrize("max_batch_tokens", [1, 60, 10_000])
@pytest.mark.parametrize("way", ["fast", "head", "whole"])
def test_every_way_gives_what_a_plain_forward_pass_gives(
    way: str, max_batch_tokens: int, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not isinstance(FastForward.of(model), str) and parts._says_by_head(model)
    if way != "fast":
        monkeypatch.setattr(parts, "_fast_path", lambda *_: None)
    if way == "whole":
        monkeypatch.setattr(parts, "_says_by_head", lambda _: False)
    done: list[int] = []
    found = score_parts(model, requests(), max_batch_tokens=max_batch_tokens, advance=done.append)
    for values, request in zip(found, requests(), strict=True):
        assert list(values) == pytest.approx(expected(model, request), abs=1e-4)
    assert sum(done) == 3


@given(data=st.data())
def test_what_stands_beside_a_text_changes_nothing_of_it(data: st.DataObject) -> None:
    torch.manual_seed(0)
    lengths = data.draw(st.lists(st.integers(2, 40), min_size=2, max_size=5))
    asked = [PartsRequest((torch.randint(5, 250, (size,)).tolist(),), ((TokenSpan(1, size, 0),),), 1) for size in lengths]
    model = _scaled()
    together = score_parts(model, asked, max_batch_tokens=10_000, advance=lambda _: None)
    alone = [score_parts(model, [one], max_batch_tokens=10_000, advance=lambda _: None)[0] for one in asked]
    for one, other in zip(together, alone, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_a_model_that_changes_its_logits_after_the_head_is_read_whole() -> None:
    model = _scaled(logits_scaling=4.0)
    assert not parts._says_by_head(model)
    found = score_parts(model, requests(), max_batch_tokens=100, advance=lambda _: None)
    for values, request in zip(found, requests(), strict=True):
        assert list(values) == pytest.approx(expected(model, request), abs=1e-4)


def test_nothing_is_asked_of_nobody(model: Any) -> None:
    assert score_parts(model, [], max_batch_tokens=10, advance=lambda _: None) == []


def _scaled(**more: Any) -> Any:
    """A random model of an architecture without a fast path, whose logits are scaled behind its head."""
    from transformers import GraniteConfig, GraniteForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    return GraniteForCausalLM(GraniteConfig(vocab_size=256, max_position_embeddings=128, **sizes, **more)).eval()
