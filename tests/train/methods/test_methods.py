"""What a method has to be: a second one, defined here, goes through a run, talking to it, and being replaced."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from typing_extensions import override

from loopwright.errors import UserError
from train.config import TrainConfig
from train.inference.chat import Comparison
from train.inference.language_model import LanguageModel
from train.methods.base import METHODS, Method, method_of, trainable
from train.methods.lora import Lora
from train.models.load import Model, load_model
from train.objectives.base import OBJECTIVES
from train.objectives.chat import Chat
from train.run import train
from train.runs.record import RunRecord

Options = Callable[..., TrainConfig]


class LastLayer(Method):
    """Trains the last layer, in the model itself."""

    name = "last_layer"
    file_names = ("last_layer.safetensors",)

    @override
    def fresh(self, model: Model) -> Model:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("layers.1." in name)
        return model

    @override
    def save(self, model: Model, folder: Path) -> None:
        from safetensors.torch import save_file

        save_file({name: parameter.detach() for name, parameter in trainable(model).items()}, folder / self.file_names[0])

    @override
    @classmethod
    def load(cls, model: Any, folder: Path, name: str = "default") -> Model:
        from safetensors.torch import load_file

        cls.require_saved(folder)
        saved = load_file(folder / cls.file_names[0])
        own = dict(model.named_parameters())
        model.tuned = {**getattr(model, "tuned", {}), name: saved, None: {key: own[key].detach().clone() for key in saved}}
        return model.eval()  # type: ignore[no-any-return]

    @override
    @classmethod
    @contextmanager
    def using(cls, model: Any, name: str | None) -> Iterator[Model]:
        for key, parameter in model.named_parameters():
            if key in model.tuned[name]:
                parameter.data.copy_(model.tuned[name][key])
        yield model


@pytest.fixture
def last_layer() -> Iterator[None]:
    METHODS.entries[LastLayer.name] = LastLayer
    yield
    del METHODS.entries[LastLayer.name]


@pytest.fixture
def tuned_run(last_layer: None, dataset_dir: Path, tmp_path: Path, options: Options) -> Path:
    train(dataset_dir, tmp_path / "run", options(method="last_layer", learning_rate=0.1, micro_batch_size=3))
    return tmp_path / "run"


def test_another_method_trains_saves_and_answers(tuned_run: Path, tiny_model_dir: Path) -> None:
    record = RunRecord.load(tuned_run)
    assert record.method == record.config["method"] == "last_layer"
    assert method_of(tuned_run) is LastLayer
    assert record.validation_losses[-1][1] < record.validation_losses[0][1]
    assert sorted(path.name for path in tuned_run.iterdir()) == [
        "README.md",
        "chat_template.jinja",
        "checkpoints",
        "last_layer.safetensors",
        "ledger.parquet",
        "metrics.jsonl",
        "report.html",
        "run.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "validation.json",
    ]
    answers = Comparison.load(tuned_run, max_new_tokens=8).ask("The soup was great")
    assert answers.base != answers.tuned
    ids = torch.arange(3, 23)[None]
    language_model = LanguageModel(str(tiny_model_dir), "float32", {"the run": tuned_run})
    base = load_model(str(tiny_model_dir), "float32")
    with torch.no_grad():
        with language_model.with_adapter("the run") as model:
            assert (model(input_ids=ids).logits - base(input_ids=ids).logits).abs().max() > 1e-2
        with language_model.with_adapter(None) as model:
            assert torch.equal(model(input_ids=ids).logits, base(input_ids=ids).logits)


def test_a_run_of_another_method_is_replaced_whole(tuned_run: Path, dataset_dir: Path, options: Options) -> None:
    train(dataset_dir, tuned_run, options(max_steps=1), overwrite=True)
    names = [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "checkpoints",
        "ledger.parquet",
        "metrics.jsonl",
        "report.html",
        "run.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "validation.json",
    ]
    assert sorted(path.name for path in tuned_run.iterdir()) == names
    assert method_of(tuned_run) is Lora


def test_a_run_from_before_there_was_a_choice_is_lora(
    finished_run: tuple[Path, RunRecord], dataset_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir, record = finished_run
    old = record.model_dump(mode="json", exclude={"method": True, "config": {"method"}, "sample": {"spans": {"__all__": {"sequence"}}}})
    assert "method" not in old and "method" not in old["config"]
    (tmp_path / "run.json").write_text(json.dumps(old), encoding="utf-8")
    assert RunRecord.load(tmp_path).method == "lora"
    assert method_of(tmp_path) is Lora
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("the model was loaded"))
    assert train(dataset_dir, tmp_path, TrainConfig.model_validate(record.config), resume=True).sample == record.sample
    with pytest.raises(UserError, match="the folder holds no adapter"):
        Lora.require_saved(tmp_path)
    Lora.require_saved(run_dir)


def test_a_run_of_a_method_that_is_not_known_is_refused(finished_run: tuple[Path, RunRecord], tmp_path: Path) -> None:
    finished_run[1].model_copy(update={"method": "fullest"}).save(tmp_path)
    with pytest.raises(UserError, match="unknown method 'fullest'"):
        method_of(tmp_path)


def test_the_objective_says_which_class_loads_the_model(
    dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Scored(Chat):
        name = "scored"
        auto_class = "AutoModelForSequenceClassification"

    def loading(name: str, dtype: str, auto_class: str, quantize: str | None, **_: Any) -> Model:
        raise UserError(f"asked for {auto_class}")

    monkeypatch.setitem(OBJECTIVES.entries, "scored", Scored)
    monkeypatch.setattr("train.session.load_for_training", loading)
    with pytest.raises(UserError, match="asked for AutoModelForSequenceClassification"):
        train(dataset_dir, tmp_path / "run", options(objective="scored"))


def test_lora_adapts_a_model_that_writes_nothing(tmp_path: Path, options: Options) -> None:
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
    BertForMaskedLM(config).save_pretrained(tmp_path / "base")
    ids = torch.arange(3, 13)[None]
    method = Lora(options())
    model = method.fresh(load_model(str(tmp_path / "base"), "float32", "AutoModelForMaskedLM"))
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.normal_(std=0.2)
        expected = model.eval()(input_ids=ids).logits
    method.save(model, tmp_path)
    loaded = Lora.load(load_model(str(tmp_path / "base"), "float32", "AutoModelForMaskedLM"), tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(loaded(input_ids=ids).logits, expected, rtol=1e-5, atol=1e-5)
        with Lora.using(loaded, None) as off:
            assert (off(input_ids=ids).logits - expected).abs().max() > 1e-2


def test_every_method_is_documented() -> None:
    for name, method in METHODS.entries.items():
        assert name == method.name
        assert "## What it trains" in (method.__doc__ or "")
        assert "## What it saves" in (method.__doc__ or "")
        assert method.file_names
