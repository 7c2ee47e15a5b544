"""The fast path of whole models against their own modules: the same losses and gradients, or no fast path."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from tests.conftest import make_tokenizer
from tests.helpers import review, write_dataset
from train.config import TrainConfig
from train.data.examples import TrainingExample, load_examples
from train.data.packing import collate
from train.engine.activations import kept_bytes, use_checkpointing
from train.engine.free_memory import used_bytes
from train.engine.optim import make_optimizer, set_learning_rate
from train.engine.passes import Passes
from train.fast.kernels import Kernels
from train.methods.base import METHODS, trainable
from train.models.load import load_model
from train.objectives.base import OBJECTIVES
from train.run import train

_SMALL = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2}
_KINDS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "llama": (transformers.LlamaConfig, {"tie_word_embeddings": True}),
    "llama, scaled positions": (
        transformers.LlamaConfig,
        {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}}
        | {"max_position_embeddings": 1024},
    ),
    "llama, biases": (transformers.LlamaConfig, {"attention_bias": True, "mlp_bias": True}),
    "llama, one key head a query": (transformers.LlamaConfig, {"num_key_value_heads": 6}),
    "mistral": (transformers.MistralConfig, {"sliding_window": None}),
    "qwen2": (transformers.Qwen2Config, {}),
    "qwen3": (transformers.Qwen3Config, {"head_dim": 16}),
}
_OTHERS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "gpt2": (transformers.GPT2Config, {"n_embd": 48, "n_layer": 2, "n_head": 4}),
    "gemma3": (transformers.Gemma3TextConfig, {"head_dim": 8, "query_pre_attn_scalar": 8}),
    "llama, gelu": (transformers.LlamaConfig, {"hidden_act": "gelu"}),
}
_BEGINNING = "The waiter was slow and the soup was great, and so was the bill. "


def write_model(folder: Path, kind: str) -> Path:
    """Writes a small random model whose norms and biases are none that change nothing."""
    made, more = {**_KINDS, **_OTHERS}[kind]
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    sizes = {} if kind == "gpt2" else _SMALL
    config = made(
        **{"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, **sizes, **more}
    )
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def rows_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of every form and of unlike lengths, one of which is longer than a chunk of attention."""
    rows = []
    for index in range(6):
        row = review(_BEGINNING + "great soup " * (3 + 5 * index + 60 * (index == 4)), index % 2)
        answers = [[{"role": "assistant", "content": text * (1 + index)}] for text in ("great ", "slow and wrong ")]
        rows.append({**row, "chosen": answers[0], "rejected": answers[1]} if index % 3 == 0 else row)
    return write_dataset(tmp_path_factory.mktemp("rows") / "data", rows)


def passes_of(model_dir: Path, **options: Any) -> Passes:
    config = TrainConfig.model_validate({"model": str(model_dir), "dtype": "float32", "learning_rate": 1e-3, **options})
    objective = OBJECTIVES.get(config.objective)(config)
    base = load_model(str(model_dir), config.dtype, objective.auto_class)
    passes = Passes.begin(base, objective, METHODS.get(config.method)(config))
    with torch.no_grad():
        for parameter in trainable(passes.model).values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return passes


def examples_of(passes: Passes, dataset: Path) -> list[TrainingExample]:
    tokenizer = load_tokenizer(passes.config.model)
    return load_examples(Dataset.open(dataset), passes.objective, tokenizer, passes.config, 2048).train


def gradient(passes: Passes, examples: list[TrainingExample]) -> tuple[float, dict[str, torch.Tensor]]:
    passes.model.zero_grad()
    loss, _ = passes.step_gradient(examples, 3)
    return float(loss), {name: weight.grad.clone() for name, weight in trainable(passes.model).items() if weight.grad is not None}


def require_equal(fast: Passes, dataset: Path) -> None:
    """Loss within 1e-5, each gradient's direction within 1e-5 and its length within 1e-4: of the fast path and of the model's modules."""
    assert fast.scorer.fast is not None, fast.scorer.why_plain
    examples = examples_of(fast, dataset)
    if fast.objective.needs_reference:
        fast.ask_reference(examples)
        with torch.no_grad():
            for parameter in trainable(fast.model).values():
                parameter.add_(torch.randn_like(parameter) * 0.05)
    plain = replace(fast, scorer=fast.scorer.through_modules())
    loss, found = gradient(fast, examples)
    other, expected = gradient(plain, examples)
    assert loss == pytest.approx(other, rel=1e-5, abs=1e-6)
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        assert float((found[name] - one).norm() / one.norm()) < 1e-4, name
        assert float(torch.nn.functional.cosine_similarity(found[name].flatten().double(), one.flatten().double(), dim=0)) > 0.99999, name


@pytest.mark.parametrize("kind", _KINDS)
def test_losses_and_gradients_are_those_of_the_models_own_modules(kind: str, rows_dir: Path, tmp_path: Path) -> None:
    require_equal(passes_of(write_model(tmp_path, kind), lora={"rank": 4}), rows_dir)


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "preference"},
        {"objective": "verbalizer"},
        {"objective": "reward"},
        {"normalize": "example", "micro_batch_size": 2},
        {"lora": {"targets": ["q_proj", "down_proj"], "rslora": True}},
        {"lora": {"dora": True}},
        {"method": "full"},
        {"method": "freeze", "freeze": {"layers": 1}},
        {"activation_checkpointing": True},
    ],
)
def test_they_are_for_other_objectives_and_adapters(options: dict[str, Any], rows_dir: Path, tiny_model_dir: Path) -> None:
    require_equal(passes_of(tiny_model_dir, **options), rows_dir)


def test_in_bfloat16_it_is_as_near_to_float32_as_the_models_own_modules(rows_dir: Path, tiny_model_dir: Path) -> None:
    exact, rounded = passes_of(tiny_model_dir), passes_of(tiny_model_dir, dtype="bfloat16")
    with torch.no_grad():
        for into, one in zip(trainable(rounded.model).values(), trainable(exact.model).values(), strict=True):
            into.copy_(one)
    examples = examples_of(exact, rows_dir)

    def error(passes: Passes) -> float:
        expected, found = (torch.cat([one.flatten() for one in gradient(of, examples)[1].values()]) for of in (exact, passes))
        return float((found - expected).norm() / expected.norm())

    assert rounded.scorer.fast is not None and rounded.scorer.fast.dtype == torch.bfloat16
    assert error(rounded) < 1.3 * error(replace(rounded, scorer=rounded.scorer.through_modules())) < 0.1


def test_what_an_optimiser_changes_is_seen_by_the_next_pass(rows_dir: Path, tiny_model_dir: Path) -> None:
    fast = passes_of(tiny_model_dir)
    examples = examples_of(fast, rows_dir)
    optimizer = make_optimizer(trainable(fast.model), fast.config, lambda _: 1.0)
    plain = replace(fast, scorer=fast.scorer.through_modules())
    losses = []
    for _ in range(4):
        losses.append(gradient(fast, examples)[0])
        assert losses[-1] == pytest.approx(gradient(plain, examples)[0], rel=1e-5)
        set_learning_rate(optimizer, 0.05)
        optimizer.step()
    assert losses[-1] < losses[0] - 0.05


@pytest.mark.parametrize("kind", _OTHERS)
def test_other_architectures_take_their_own_modules_and_say_so(kind: str, rows_dir: Path, tmp_path: Path) -> None:
    passes = passes_of(write_model(tmp_path, kind), lora={"targets": ["c_attn"]} if kind == "gpt2" else {})
    assert passes.scorer.fast is None and passes.scorer.why_plain


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"exact": True}, "exact: true"),
        ({"lora": {"dora": True, "dropout": 0.1}}, "DoRA with dropout"),
    ],
)
def test_what_the_fast_path_does_not_do_is_said(options: dict[str, Any], why: str, tiny_model_dir: Path) -> None:
    passes = passes_of(tiny_model_dir, **options)
    assert passes.scorer.fast is None and why in passes.scorer.why_plain


def test_a_sequence_longer_than_a_sliding_window_is_left_to_the_model(
    rows_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_KINDS, "mistral", (transformers.MistralConfig, {"sliding_window": 64}))
    passes = passes_of(write_model(tmp_path, "mistral"))
    examples = sorted(examples_of(passes, rows_dir), key=lambda example: example.longest)
    assert passes.scorer.fast is not None and examples[0].longest <= 64 < examples[-1].longest
    monkeypatch.setattr(type(passes.scorer.fast), "hidden", lambda *_: pytest.fail("it sees too far"))
    passes.scorer.score(collate([examples[-1]], torch.device("cpu"), packed=True))


def test_dropout_leaves_out_a_share_of_what_adapters_see_and_nothing_when_the_model_answers(rows_dir: Path, tiny_model_dir: Path) -> None:
    dropping, whole = passes_of(tiny_model_dir, lora={"dropout": 0.3}), passes_of(tiny_model_dir)
    with torch.no_grad():
        for into, one in zip(trainable(dropping.model).values(), trainable(whole.model).values(), strict=True):
            into.copy_(one)
    examples = examples_of(whole, rows_dir)
    assert dropping.scorer.fast is not None
    assert dropping.row_losses(examples) == whole.row_losses(examples)
    losses = [float(dropping.step_gradient(examples, seed)[0]) for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_checkpointed_the_gradient_is_the_same_to_the_bit_and_less_is_kept(rows_dir: Path, tiny_model_dir: Path) -> None:
    for options in ({}, {"exact": True}, {"lora": {"dropout": 0.3}}):
        passes = passes_of(tiny_model_dir, **options)
        examples = examples_of(passes, rows_dir)
        loss, expected = gradient(passes, examples)
        kept = kept_bytes(passes, examples)
        passes.scorer = passes.scorer.checkpointed()
        assert kept_bytes(passes, examples) < 0.5 * kept
        other, found = gradient(passes, examples)
        assert loss == other
        assert all(torch.equal(found[name], one) for name, one in expected.items())


def test_layers_are_computed_again_where_memory_asks(rows_dir: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = passes_of(tiny_model_dir)
    examples = examples_of(passes, rows_dir)
    use_checkpointing(passes, examples)
    assert not passes.scorer.is_checkpointed
    kept = kept_bytes(passes, examples[:1])
    monkeypatch.setattr("train.engine.activations.available_bytes", lambda: used_bytes() + kept)
    passes.config = passes.config.model_copy(update={"activation_checkpointing": False})
    use_checkpointing(passes, examples)
    assert not passes.scorer.is_checkpointed
    passes.config = passes.config.model_copy(update={"activation_checkpointing": None})
    use_checkpointing(passes, examples)
    assert passes.scorer.is_checkpointed


@pytest.mark.slow
def test_compiled_it_is_the_same_and_a_killed_run_goes_on_to_the_same_bytes(rows_dir: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    passes = passes_of(tiny_model_dir)
    passes.scorer = passes.scorer.compiled()
    assert passes.scorer.fast is not None and passes.scorer.fast.kernels != Kernels()
    require_equal(passes, rows_dir)
    options = {"model": str(tiny_model_dir), "dtype": "float32", "epochs": 4, "batch_size": 2, "leaks": "allow", "compile": True}
    config = TrainConfig.model_validate({**options, "checkpoint_every": 1})
    train(rows_dir, tmp_path / "whole", config)
    steps: list[int] = []

    def stop(_phase: str, done: int, _total: int | None) -> None:
        steps.append(done)
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(rows_dir, tmp_path / "stopped", config, progress=stop)
    train(rows_dir, tmp_path / "stopped", config, resume=True)
    name = "adapter_model.safetensors"
    assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_where_nothing_compiles_the_run_goes_on_without(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no compiler\nfound")

    monkeypatch.setattr(torch, "compile", lambda function, **_: broken)
    scorer = passes_of(tiny_model_dir).scorer
    assert scorer.compiled() is scorer
    assert "not compiled, which costs some time and nothing else: no compiler\n" in capsys.readouterr().err
