"""A base in 4 bits: refused where it cannot be, and, with bitsandbytes installed, trained on, GPU or not."""

import importlib.machinery
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from loopwright.errors import UserError
from train.config import TrainConfig
from train.models import quantize
from train.models.quantize import load_in_4_bits, num_weights
from train.run import train

Options = Callable[..., TrainConfig]


@pytest.fixture
def no_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("the model was loaded"))


@pytest.mark.parametrize(
    ("changes", "has_extra", "cards", "cause"),
    [
        ({"method": "full"}, True, ["a card"], "weights of 4 bits cannot be trained, and method: full"),
        ({"method": "freeze"}, True, ["a card"], "weights of 4 bits cannot be trained, and method: freeze"),
        ({}, False, ["a card"], r"needs the 'qlora' extra.*pip install 'loopwright\[qlora\]'"),
        ({}, True, [], "needs an NVIDIA card, and none is seen"),
    ],
)
def test_what_cannot_be_is_refused_before_a_model_is_loaded(  # noqa: PLR0917 (what is given, and fixtures)
    changes: dict[str, Any],
    has_extra: bool,
    cards: list[str],
    cause: str,
    no_loading: None,
    dataset_dir: Path,
    tmp_path: Path,
    options: Options,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda _: importlib.machinery.ModuleSpec("x", None) if has_extra else None)
    monkeypatch.setattr(quantize, "graphics_cards", lambda: cards)
    with pytest.raises(UserError, match=cause):
        train(dataset_dir, tmp_path / "run", options(quantize="nf4", **changes))
    assert not (tmp_path / "run").exists()


def test_the_model_is_asked_for_as_qlora_wants_it(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    asked: dict[str, Any] = {}

    def loading(folder: Path, **given: Any) -> Any:
        asked.update(given)
        raise ImportError("bitsandbytes stands here")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", loading)
    with pytest.raises(UserError, match=r"cannot load the model .*bitsandbytes stands here"):
        load_in_4_bits(str(tiny_model_dir), "bfloat16")
    found = asked["quantization_config"]
    assert (found.load_in_4bit, found.bnb_4bit_quant_type, found.bnb_4bit_use_double_quant) == (True, "nf4", True)
    assert found.bnb_4bit_compute_dtype == asked["dtype"] == torch.bfloat16
    assert asked["use_safetensors"] and not asked["trust_remote_code"]


def test_weights_of_4_bits_are_counted_one_by_one() -> None:
    four_bits = type("Params4bit", (torch.nn.Parameter,), {})
    assert num_weights(torch.nn.Parameter(torch.zeros(8, 1))) == 8
    assert num_weights(four_bits(torch.zeros(8, 1, dtype=torch.uint8), requires_grad=False)) == 16


def test_an_adapter_is_trained_on_a_base_in_4_bits_and_used_on_it(
    dataset_dir: Path, tmp_path: Path, tokenizer: Any, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bitsandbytes computes on a CPU, too, slowly: all but the question for a GPU is what happens on one."""
    pytest.importorskip("bitsandbytes")
    from transformers import LlamaConfig, LlamaForCausalLM

    from train.methods.lora import Lora

    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    monkeypatch.setattr(quantize, "graphics_cards", lambda: ["a card"])
    run_dir, base = tmp_path / "run", str(tmp_path / "base")
    record = train(dataset_dir, run_dir, options(model=base, quantize="nf4", epochs=3, learning_rate=2e-2))
    assert record.validation_losses[-1][1] < record.validation_losses[0][1]
    assert record.packed
    ids = torch.arange(3, 23)[None]
    with torch.no_grad():
        plain = load_in_4_bits(base, "float32")(input_ids=ids).logits
        loaded = Lora.load(load_in_4_bits(base, "float32"), run_dir)
        assert {type(module).__name__ for name, module in loaded.named_modules() if name.endswith("q_proj")} == {"Linear4bit"}
        assert (loaded(input_ids=ids).logits - plain).abs().max() > 1e-2
        with Lora.using(loaded, None) as off:
            assert torch.equal(off(input_ids=ids).logits, plain)
