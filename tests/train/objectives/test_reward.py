"""Reward models: Bradley-Terry on a head of one output, saved so that peft and transformers load it."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch.nn import functional

from evals.run import evaluate_dataset
from loopwright.errors import UserError
from tests.evals.conftest import options as evals_options
from tests.train.several import write_rows
from tests.train.test_several_sequences import gradient_of, load, loss_and_gradient
from train.config import TrainConfig
from train.data.examples import TrainingData, TrainingExample
from train.data.order import StepOrder
from train.data.packing import collate
from train.engine.checkpoint import RunProgress
from train.engine.loop import Trainer
from train.engine.passes import Passes
from train.engine.values import ValueScorer, scorer_for
from train.inference.chat import Comparison
from train.ledger.ledger import Ledger
from train.methods.base import begin_value_head, trainable
from train.methods.lora import Lora
from train.models.load import Model, load_model, unwrapped
from train.objectives.reward import Reward
from train.run import train

Options = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def pairs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("pairs") / "data")


def fresh(model_dir: Path, config: TrainConfig, scale: float | None = None) -> Model:
    model = load_model(str(model_dir), "float32", Reward.auto_class)
    torch.manual_seed(config.seed)
    model = Lora(config).fresh(model)
    begin_value_head(model)
    if scale:
        with torch.no_grad():
            for parameter in trainable(model).values():
                parameter.normal_(std=scale)
    return model


def make_trainer(model: Model, objective: Reward, data: TrainingData, *, packed: bool) -> Trainer:
    scorer = scorer_for(objective, model)
    assert scorer.packed
    if not packed:
        unwrapped(model).set_attn_implementation("sdpa")
        scorer = ValueScorer(scorer.causal, packed=False)
    passes = Passes(model, scorer, objective, objective.config)
    return Trainer(passes, data, Ledger(), RunProgress(), StepOrder.of(data.train, objective.config))


def plain_values(model: Any, example: TrainingExample) -> list[torch.Tensor]:
    """Each conversation alone through the model's own forward pass."""
    return [model(input_ids=torch.tensor([sequence.encoded.input_ids])).logits[0, 0] for sequence in example.sequences]


def test_loss_and_gradient_are_bradley_and_terry_s_however_a_step_is_divided(
    pairs_dir: Path, tiny_model_dir: Path, options: Options
) -> None:
    objective = Reward(options(objective="reward"))
    data = load(pairs_dir, objective, tiny_model_dir)
    model = fresh(tiny_model_dir, objective.config, scale=0.2)
    assert {name.split(".")[-1] for name in trainable(model) if "lora_" not in name} == {"weight"}
    for packed in (True, False):
        trainer = make_trainer(model, objective, data, packed=packed)
        found = [loss_and_gradient(trainer, data.train, **limits) for limits in ({}, {"micro_batch_size": 1}, {"micro_batch_tokens": 150})]
        unwrapped(model).set_attn_implementation("sdpa")
        model.zero_grad()
        values = [plain_values(model, example) for example in data.train]
        expected = torch.stack([-torch.log(torch.sigmoid(chosen - rejected)) for chosen, rejected in values]).mean()
        expected.backward()  # type: ignore[no-untyped-call]
        gradient = gradient_of(model)
        assert gradient.norm() > 1e-3
        for loss, other in found:
            assert loss == pytest.approx(expected.item(), rel=1e-5)
            assert functional.cosine_similarity(other, gradient, dim=0) > 0.99999
            torch.testing.assert_close(other, gradient, rtol=1e-3, atol=3e-6)


def test_the_value_is_read_at_the_last_token_whatever_pads(pairs_dir: Path, tiny_model_dir: Path, options: Options) -> None:
    objective = Reward(options(objective="reward"))
    data = load(pairs_dir, objective, tiny_model_dir)
    model = fresh(tiny_model_dir, objective.config, scale=0.2)
    trainer = make_trainer(model, objective, data, packed=False)
    batch = collate(data.train, torch.device("cpu"), packed=False)
    lengths = [sequence.num_tokens for example in data.train for sequence in example.sequences]
    assert len(set(lengths)) > 2
    before = trainer.scorer.score(batch).values
    assert before is not None
    assert before.shape == (2 * len(data.train),)
    for row, length in enumerate(lengths):
        batch.input_ids[row, length:] = 7
    after = trainer.scorer.score(batch).values
    assert after is not None
    assert torch.equal(before, after)
    for row, length in enumerate(lengths):
        batch.input_ids[row, length - 1] = 9
    changed = trainer.scorer.score(batch).values
    assert changed is not None
    assert (changed != before).all()


def test_accuracy_rises_and_plain_peft_gives_the_same_values(
    pairs_dir: Path, tiny_model_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForSequenceClassification

    models: list[Model] = []
    save = Lora.save

    def keeping(self: Lora, model: Model, folder: Path) -> None:
        models.append(model)
        save(self, model, folder)

    monkeypatch.setattr(Lora, "save", keeping)
    record = train(pairs_dir, tmp_path / "run", options(objective="reward", epochs=4))
    ledger = pl.read_parquet(tmp_path / "run" / "ledger.parquet")
    accuracies = [ledger.filter(epoch=epoch)["correct"].mean() for epoch in (1, 4)]
    assert accuracies[1] == 1.0
    assert accuracies[0] < 1.0  # type: ignore[operator]
    assert record.validation_loss is not None
    assert record.validation_loss < math.log(2) / 2
    assert record.validation_loss_before is not None
    assert record.validation_loss < record.validation_loss_before
    assert record.validation_ranked == 1.0
    assert record.proofs["saved_weights"].passed is True, record.proofs["saved_weights"].reason
    assert "preferred answer ahead in 100.0% of" in record.summary(tmp_path / "run")
    assert (record.auto_class, record.num_trained_tokens) == ("AutoModelForSequenceClassification", 0)
    assert "train chat" not in record.summary(tmp_path / "run")
    keys = load_file(tmp_path / "run" / "adapter_model.safetensors").keys()
    assert "base_model.model.score.weight" in keys
    data = load(pairs_dir, Reward(options()), tiny_model_dir)
    with torch.no_grad():
        scorer = ValueScorer(unwrapped(models[0].eval()), packed=record.packed)
        ours = scorer.score(collate(data.train, torch.device("cpu"), packed=record.packed)).values
    assert ours is not None
    base = AutoModelForSequenceClassification.from_pretrained(tiny_model_dir, num_labels=1, dtype=torch.float32)
    loaded = PeftModel.from_pretrained(base, tmp_path / "run").eval()
    # As TRL's RLOO does it: by the adapter's folder alone, which names its base.
    by_folder = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run", num_labels=1, dtype=torch.float32).eval()
    for model in (loaded, by_folder):
        with torch.no_grad():
            theirs = torch.stack([value for example in data.train for value in plain_values(model, example)])
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_equal_seeds_give_equal_bytes(pairs_dir: Path, tmp_path: Path, options: Options) -> None:
    for name in ("a", "b"):
        train(pairs_dir, tmp_path / name, options(objective="reward", max_steps=2))
    for name in ("adapter_model.safetensors", "adapter_config.json", "ledger.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_reward_model_is_not_asked_for_answers(pairs_dir: Path, dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    run = tmp_path / "run"
    train(pairs_dir, run, options(objective="reward", max_steps=1))
    with pytest.raises(UserError, match="a reward model, which scores answers and writes none"):
        Comparison.load(run)
    with pytest.raises(UserError, match="a reward model, which scores answers and writes none"):
        evaluate_dataset(dataset_dir, tmp_path / "evals", evals_options(adapter=str(run)))


def test_no_metric_of_answers_chooses_its_checkpoint(pairs_dir: Path, tmp_path: Path, options: Options) -> None:
    with pytest.raises(UserError, match="writes no answers that the metric 'accuracy' could measure"):
        train(pairs_dir, tmp_path / "run", options(objective="reward", max_steps=1, best="accuracy"))


@pytest.mark.parametrize("method", ["full", "freeze"])
def test_all_weights_or_the_topmost_layers_train_or_are_refused(method: str, pairs_dir: Path, tmp_path: Path, options: Options) -> None:
    from transformers import AutoModelForSequenceClassification

    config = options(objective="reward", method=method, max_steps=2, learning_rate=1e-3)
    if method == "freeze":
        with pytest.raises(UserError, match="the method does not train the head 'score'"):
            train(pairs_dir, tmp_path / "run", config)
        return
    train(pairs_dir, tmp_path / "run", config)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run")
    assert loaded.config.num_labels == 1
    assert loaded.score.weight.shape == (1, 32)
    assert loaded.score.weight.abs().sum() > 0


def test_a_method_that_leaves_the_head_is_refused(tiny_model_dir: Path) -> None:
    model: Any = load_model(str(tiny_model_dir), "float32", Reward.auto_class)
    model.requires_grad_(False)
    with pytest.raises(UserError, match="does not train the head 'score'"):
        begin_value_head(model)
    with pytest.raises(UserError, match="has no head called 'score'"):
        begin_value_head(load_model(str(tiny_model_dir), "float32"))
