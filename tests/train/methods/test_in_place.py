"""Methods that train the model's own weights: what they train, what they save, and that the base is still there beside them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM

from loopwright.errors import UserError
from train.config import TrainConfig
from train.data.examples import load_examples
from train.data.packing import collate
from train.engine.loss import Scorer
from train.inference.chat import Comparison
from train.inference.language_model import LanguageModel
from train.methods.base import METHODS, trainable
from train.models.load import load_model, unwrapped
from train.objectives.chat import Chat
from train.run import train
from train.runs.record import RunRecord

Options = Callable[..., TrainConfig]
IDS = torch.arange(3, 23)[None]


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS).logits
    return found


def prepared(name: str, options: TrainConfig, dtype: Any = "float32") -> Any:
    return METHODS.get(name)(options).fresh(load_model(options.model, dtype))


def test_freeze_trains_the_topmost_layers_alone(options: Options) -> None:
    one = trainable(prepared("freeze", options(freeze={"layers": 1})))
    assert one and all(name.startswith("model.layers.1.") for name in one)
    assert len(trainable(prepared("freeze", options(freeze={"layers": 2})))) == 2 * len(one)
    with pytest.raises(UserError, match="the model has 2 layers, and 3 are to be trained"):
        prepared("freeze", options(freeze={"layers": 3}))


@pytest.mark.parametrize("tied", [True, False])
def test_full_gives_every_weight_the_gradient_of_the_plain_loss(
    tied: bool, dataset_dir: Path, tmp_path: Path, tokenizer: Any, options: Options
) -> None:
    """The head's own gradient above all, which adapters have no use for: tied, it meets that of the embeddings in one matrix."""
    from prep.dataset.manifest import Dataset

    base = AutoModelForCausalLM.from_pretrained(options().model)
    if not tied:
        torch.manual_seed(1)
        base.config.tie_word_embeddings = False
        base.lm_head.weight = torch.nn.Parameter(torch.randn_like(base.lm_head.weight) * 0.02)
    base.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    config = options(model=str(tmp_path / "base"))
    data = load_examples(Dataset.open(dataset_dir), Chat(config), tokenizer, config, 512)
    model = prepared("full", config)
    head, embeddings = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    assert (head is embeddings) == tied
    assert len(trainable(model)) == len(list(model.named_parameters()))
    scorer = Scorer.for_model(model)
    assert scorer.packed
    scores = scorer.score(collate(data.train[:4], scorer.device, packed=True))
    (-(scores.logprobs * scores.weights).sum()).backward()  # type: ignore[no-untyped-call]
    found = {name: parameter.grad for name, parameter in trainable(model).items()}
    plain = load_model(config.model, "float32").train()
    total = torch.zeros(())
    for example in data.train[:4]:
        sequence = example.sequences[0]
        logprobs = plain(input_ids=torch.tensor([sequence.encoded.input_ids])).logits[0].log_softmax(-1)
        total = total - logprobs[sequence.positions, sequence.targets].sum()
    total.backward()  # type: ignore[no-untyped-call]
    assert len(found) == len(list(plain.named_parameters()))
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["full", "freeze"])
def test_run_is_used_beside_an_adapter_and_the_base(
    method: str, finished_run: tuple[Path, RunRecord], dataset_dir: Path, tmp_path: Path, options: Options
) -> None:
    run_dir, base_dir = tmp_path / "run", options().model
    record = train(dataset_dir, run_dir, options(method=method, freeze={"layers": 1}, learning_rate=3e-3, epochs=3))
    assert record.validation_losses[-1][1] < record.validation_losses[0][1]
    METHODS.get(method).require_saved(run_dir)
    base = logits(load_model(base_dir, "float32"))
    for order in ("tuned", "adapter"), ("adapter", "tuned"):
        folders = {"tuned": run_dir, "adapter": finished_run[0]}
        language_model = LanguageModel(base_dir, "float32", {name: folders[name] for name in order})
        said: dict[str | None, torch.Tensor] = {}
        for name in ("tuned", None, "adapter", None, "tuned"):
            with language_model.with_adapter(name) as model:
                found = logits(model)
            assert name not in said or torch.equal(said[name], found), name
            said[name] = found
        assert torch.equal(said[None], base)
        alone = LanguageModel(base_dir, "float32", {"tuned": run_dir})
        with alone.with_adapter("tuned") as model:
            assert torch.equal(logits(model), said["tuned"])
        assert min((said[name] - base).abs().max() for name in ("tuned", "adapter")) > 1e-3
    answers = Comparison.load(run_dir, max_new_tokens=8).ask("The soup was great")
    assert answers.base != answers.tuned


def test_full_saves_a_model_that_transformers_loads(dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path, options: Options) -> None:
    run_dir = tmp_path / "run"
    train(dataset_dir, run_dir, options(method="full", learning_rate=1e-3))
    loaded = AutoModelForCausalLM.from_pretrained(run_dir).eval()
    language_model = LanguageModel(str(tiny_model_dir), "float32", {"run": run_dir})
    with language_model.with_adapter("run") as model:
        assert torch.equal(logits(model), logits(loaded))


@pytest.mark.parametrize("method", ["full", "freeze", "lora"])
def test_bfloat16_trains_in_float32_and_saves_what_it_computes_in(
    method: str, dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path, options: Options
) -> None:
    config = options(method=method, dtype="bfloat16", learning_rate=3e-3, epochs=3)
    model = prepared(method, config, "bfloat16")
    assert {parameter.dtype for parameter in trainable(model).values()} == {torch.float32}
    assert Scorer.for_model(model).dtype == torch.bfloat16
    record = train(dataset_dir, tmp_path / "run", config)
    assert record.dtype == "bfloat16"
    assert record.validation_losses[-1][1] < record.validation_losses[0][1]
    if method != "lora":
        from safetensors.torch import load_file

        name = METHODS.get(method).file_names[-1 if method == "freeze" else 1]
        assert {value.dtype for value in load_file(tmp_path / "run" / name).values()} == {torch.bfloat16}


@pytest.mark.parametrize("method", ["full", "freeze"])
def test_weights_of_another_model_are_refused(method: str, dataset_dir: Path, tmp_path: Path, tokenizer: Any, options: Options) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    train(dataset_dir, tmp_path / "run", options(method=method, max_steps=1, freeze={"layers": 1}))
    config = LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "other")
    with pytest.raises(UserError, match=r"the weights do not fit the model: .* of another size"):
        METHODS.get(method).load(load_model(str(tmp_path / "other"), "float32"), tmp_path / "run")
    (tmp_path / "run" / METHODS.get(method).file_names[0]).write_bytes(b"{")
    with pytest.raises(UserError, match="the weights do not fit the model"):
        METHODS.get(method).load(load_model(options().model, "float32"), tmp_path / "run")
    (tmp_path / "run" / METHODS.get(method).file_names[0]).unlink()
    with pytest.raises(UserError, match="the folder holds no weights"):
        METHODS.get(method).require_saved(tmp_path / "run")


def test_learning_rate_depends_on_method_and_optimizer_and_run_json_says_it(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    found = {}
    full_by_adafactor = {"method": "full", "optimizer": "adafactor"}
    for number, changes in enumerate(({"method": "lora"}, {"method": "full"}, full_by_adafactor, {"method": "freeze"})):
        train(dataset_dir, tmp_path / str(number), options(learning_rate=None, max_steps=1, **changes))
        found[number] = json.loads((tmp_path / str(number) / "run.json").read_text(encoding="utf-8"))["config"]["learning_rate"]
    assert found == {0: 5e-4, 1: 5e-5, 2: 1e-3, 3: 2e-4}


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "full"},
        {"method": "freeze", "freeze": {"layers": 1}},
        {"lora": {"dora": True}},
        {"method": "full", "normalize": "example"},
        {"normalize": "example"},
    ],
)
def test_packed_padded_and_one_by_one_are_the_same_step(
    changes: dict[str, Any], dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    def curve(name: str, **more: Any) -> list[float]:
        record = train(dataset_dir, tmp_path / name, options(batch_size=8, learning_rate=1e-3, **changes, **more))
        assert record.packed == (name != "padded")
        lines = (tmp_path / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line)[key] for line in lines for key in ("loss", "grad_norm")]

    packed = curve("packed")
    assert curve("one-by-one", micro_batch_size=1) == pytest.approx(packed, rel=1e-4)
    monkeypatch.setattr("train.engine.loss.Scorer.for_model", lambda model, **_: Scorer(unwrapped(model), packed=False))
    assert curve("padded") == pytest.approx(packed, rel=1e-4)


def test_normalized_by_example_a_long_answer_counts_what_a_short_one_does(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    for normalize in ("token", "example"):
        train(dataset_dir, tmp_path / normalize, options(batch_size=11, epochs=1, normalize=normalize))
        step = json.loads((tmp_path / normalize / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[0])
        ledger = pl.read_parquet(tmp_path / normalize / "ledger.parquet")
        weight = pl.col("num_trained_tokens") if normalize == "token" else pl.lit(1.0)
        mean = ledger.with_columns(weight=weight).select((pl.col("loss") * pl.col("weight")).sum() / pl.col("weight").sum()).item()
        assert step["loss"] == pytest.approx(mean, rel=1e-5)
