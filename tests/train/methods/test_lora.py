"""LoRA's variants, and the architectures and layers that it takes or refuses."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from loopwright.errors import UserError
from templates.chat import load_tokenizer
from train.config import TrainConfig
from train.engine.optim import make_optimizer, set_learning_rate
from train.inference.language_model import LanguageModel
from train.methods.base import trainable
from train.methods.lora import Lora
from train.models.load import load_model
from train.run import train
from train.runs.record import RunRecord
from train.testing import check_method

Options = Callable[..., TrainConfig]

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 512}
ARCHITECTURES: dict[str, tuple[type[Any], type[Any], dict[str, Any]]] = {
    "gpt2": (transformers.GPT2Config, transformers.GPT2LMHeadModel, {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 512}),
    "neox": (transformers.GPTNeoXConfig, transformers.GPTNeoXForCausalLM, {**SMALL, "intermediate_size": 64}),
    "phi3": (transformers.Phi3Config, transformers.Phi3ForCausalLM, {**SMALL, "intermediate_size": 64, "pad_token_id": 0}),
    "mamba": (transformers.MambaConfig, transformers.MambaForCausalLM, {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}),
}


@pytest.fixture
def model_of(tmp_path: Path, tokenizer: Any) -> Callable[[str], str]:
    """Makes a small random model of an architecture, with the tokenizer beside it."""

    def make(name: str) -> str:
        config, model, options = ARCHITECTURES[name]
        torch.manual_seed(0)
        folder = tmp_path / name
        model(config(vocab_size=len(tokenizer), **options)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return str(folder)

    return make


@pytest.mark.parametrize("changes", [{"rslora": True, "rank": 4}, {"dora": True}, {"dora": True, "rslora": True, "rank": 4}])
def test_variants_keep_the_contract(changes: dict[str, Any], tiny_model_dir: Path, tmp_path: Path) -> None:
    config = TrainConfig.model_validate({"lora": changes})
    check_method(Lora, lambda: load_model(str(tiny_model_dir), "float32"), torch.arange(3, 23)[None], tmp_path, config)


def test_rslora_scales_by_the_root_of_the_rank(options: Options) -> None:
    def scaling(rank: int, rslora: bool) -> float:
        model: Any = Lora(options(lora={"rank": rank, "alpha": 32, "rslora": rslora})).fresh(load_model(options().model, "float32"))
        return next(float(module.scaling["default"]) for module in model.modules() if hasattr(module, "lora_A"))

    assert scaling(16, False) == 2.0
    assert scaling(16, True) == 8.0


def test_plus_ratio_lets_b_learn_faster(options: Options) -> None:
    config = options(lora={"plus_ratio": 16})
    model = Lora(config).fresh(load_model(config.model, "float32"))
    optimizer = make_optimizer(trainable(model), config, Lora(config).rate_of)
    set_learning_rate(optimizer, 1e-3)
    rates = {id(one): group["lr"] for group in optimizer.param_groups for one in group["params"]}
    found = {name.rpartition(".lora_")[2][0]: rates[id(parameter)] for name, parameter in trainable(model).items()}
    assert found == {"A": 1e-3, "B": pytest.approx(1.6e-2)}
    plain = make_optimizer(trainable(model), options(), Lora(options()).rate_of)
    assert len(plain.param_groups) == 1


@pytest.mark.parametrize(("name", "method"), itertools.product(ARCHITECTURES, ["lora", "full", "freeze"]))
def test_architectures_are_trained_saved_and_loaded(
    name: str, method: str, model_of: Callable[[str], str], dataset_dir: Path, options: Options
) -> None:
    model = model_of(name)
    tmp_path = Path(model).parent
    record = train(dataset_dir, tmp_path / "run", options(model=model, method=method, freeze={"layers": 1}, learning_rate=1e-2))
    assert record.validation_losses[-1][1] < record.validation_losses[0][1]
    ids = torch.arange(3, 23)[None]
    language_model = LanguageModel(model, "float32", {"run": tmp_path / "run"})
    with torch.no_grad():
        with language_model.with_adapter("run") as tuned:
            assert (tuned(input_ids=ids).logits - load_model(model, "float32")(input_ids=ids).logits).abs().max() > 1e-3
        with language_model.with_adapter(None) as base:
            assert torch.equal(base(input_ids=ids).logits, load_model(model, "float32")(input_ids=ids).logits)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_nothing_is_trained_that_is_not_used(name: str, model_of: Callable[[str], str], options: Options) -> None:
    model: Any = Lora(options()).fresh(load_model(model_of(name), "float32"))
    model(input_ids=torch.arange(3, 23)[None]).logits.square().sum().backward()
    assert [name for name, parameter in trainable(model).items() if parameter.grad is None] == []


@pytest.mark.parametrize(
    ("name", "targets", "cause"),
    [
        ("phi3", ["q_proj"], "fits no layer 'q_proj'.*Its linear layers are: o_proj, qkv_proj, gate_up_proj, down_proj"),
        ("neox", ["query_key_value", "v_proj"], "fits no layer 'v_proj'"),
        ("gpt2", ["c_attn", "ln_1"], "'transformer.h.0.ln_1' is no linear layer but a LayerNorm"),
        ("gpt2", ["lm_head"], "'lm_head' is the output head"),
        ("mamba", ["out_proj"], "would be trained and not used"),
    ],
)
def test_layers_that_no_adapter_works_on_are_refused(
    name: str, targets: list[str], cause: str, model_of: Callable[[str], str], options: Options
) -> None:
    with pytest.raises(UserError, match=cause):
        Lora(options(lora={"targets": targets})).fresh(load_model(model_of(name), "float32"))


def test_a_masked_model_is_not_trained_to_write(
    tokenizer: Any, dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("the model was loaded"))
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    with pytest.raises(UserError, match="is a masked language model of the kind 'bert'"):
        train(dataset_dir, tmp_path / "run", options(model=str(tmp_path / "bert")))


@pytest.mark.parametrize("options_of_lora", [{"rank": 0}, {"alpha": 0}, {"dropout": 1.0}, {"plus_ratio": 0.5}, {"r": 0}])
def test_bad_options_are_refused(options_of_lora: dict[str, Any], dataset_dir: Path, tmp_path: Path) -> None:
    from train.api import train as call

    with pytest.raises(UserError) as caught:
        call(dataset_dir, tmp_path / "run", {"lora": options_of_lora})
    assert next(iter(options_of_lora)) in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("changes", [{"rslora": True, "rank": 4}, {"dora": True}, {"plus_ratio": 16}])
def test_variants_say_the_same_merged_and_loaded_by_plain_peft(
    changes: dict[str, Any], dataset_dir: Path, tmp_path: Path, options: Options
) -> None:
    from peft import PeftModel

    train(dataset_dir, tmp_path / "run", options(lora=changes))
    ids = torch.arange(3, 23)[None]
    ours = LanguageModel(options().model, "float32", {"run": tmp_path / "run"})
    plain = PeftModel.from_pretrained(load_model(options().model, "float32"), tmp_path / "run")
    with torch.no_grad():
        with ours.with_adapter("run") as model:
            expected = model(input_ids=ids).logits
        torch.testing.assert_close(plain(input_ids=ids).logits, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(plain.merge_and_unload()(input_ids=ids).logits, expected, rtol=1e-4, atol=1e-4)


def test_an_adapter_names_its_base_by_the_hub_only_where_it_is_the_hubs(
    tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--org--tiny" / "snapshots" / "abc123"
    embedded = tmp_path / "models" / "embedded"
    monkeypatch.setenv("LOOPWRIGHT_CACHE", str(tmp_path))
    for folder, named in ((snapshot, ("org/tiny", "abc123")), (embedded, (None, None)), (tiny_model_dir, (str(tiny_model_dir), None))):
        if not folder.exists():
            shutil.copytree(tiny_model_dir, folder)
        model = Lora(options()).fresh(load_model(str(folder), "float32"))
        (tmp_path / "saved").mkdir(exist_ok=True)
        Lora(options()).save(model, tmp_path / "saved")
        config = json.loads((tmp_path / "saved" / "adapter_config.json").read_text(encoding="utf-8"))
        assert (config["base_model_name_or_path"], config["revision"]) == named


def test_a_run_folder_is_served_as_it_stands(finished_run: tuple[Path, RunRecord], tiny_model_dir: Path) -> None:
    from transformers import AutoTokenizer

    served, base = AutoTokenizer.from_pretrained(finished_run[0]), load_tokenizer(str(tiny_model_dir))
    messages = [{"role": "user", "content": "The soup?"}]
    prompt = served.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert prompt == base.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert served.chat_template == base.chat_template
