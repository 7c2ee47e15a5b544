"""DPO against TRL, where it is installed: masks, loss and gradient of the same adapter on the same pairs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch.nn import functional

from tests.conftest import CHATML, make_tokenizer
from tests.train.several import rows, write_rows
from tests.train.test_several_sequences import fresh_model, gradient_of, load, loss_and_gradient, make_trainer
from train.config import TrainConfig
from train.data.order import RunPlan, StepOrder
from train.methods.base import trainable
from train.models.load import Model, unwrapped
from train.objectives.preference import Preference
from train.run import train

trl = pytest.importorskip("trl")
# TRL scores all that the chat template writes behind the answer; here that is the end-of-turn token alone, as in our masks.
NO_NEWLINE = CHATML.replace("<|im_end|>\n", "<|im_end|>")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> Path:
    """The tiny model with that chat template, and a padding token that is nothing else."""
    folder = tmp_path_factory.mktemp("trl") / "model"
    folder.mkdir()
    for path in tiny_model_dir.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    tokenizer = make_tokenizer(NO_NEWLINE)
    tokenizer.pad_token = "<|endoftext|>"
    tokenizer.save_pretrained(folder)
    return folder


def trl_trainer(model: Model, objective: Preference, folder: Path, model_dir: Path) -> Any:
    """TRL's trainer of a model on the train split's pairs, in their order; it takes no step here."""
    from datasets import Dataset
    from transformers import AutoTokenizer

    pairs = [{"prompt": row["messages"], "chosen": row["chosen"], "rejected": row["rejected"]} for row in rows() if row["split"] == "train"]
    config = trl.DPOConfig(
        output_dir=str(folder / "trl"),
        beta=objective.config.dpo.beta,
        per_device_train_batch_size=len(pairs),
        use_cpu=True,
        bf16=False,
        report_to=[],
        gradient_checkpointing=False,
    )
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    return trl.DPOTrainer(model=model, args=config, train_dataset=Dataset.from_list(pairs), processing_class=tokenizer)


@pytest.mark.parametrize("scale", [None, 0.1])
def test_dpo_is_trl_s(scale: float | None, model_dir: Path, tmp_path: Path, options: Callable[..., TrainConfig]) -> None:
    objective = Preference(options(model=str(model_dir), objective="preference", dpo={"beta": 0.3}))
    data = load(write_rows(tmp_path / "data"), objective, model_dir)
    model = fresh_model(model_dir, objective.config)
    trainer = make_trainer(model, objective, data)
    trainer.passes.ask_reference(data.train)
    theirs = trl_trainer(model, objective, tmp_path, model_dir)
    batch = theirs.data_collator(list(theirs.train_dataset))
    scored = [ids[mask.bool()].tolist() for ids, mask in zip(batch["input_ids"], batch["completion_mask"], strict=True)]
    assert scored == [example.sequences[index].targets for index in (0, 1) for example in data.train]
    if scale:  # both references are of the model that the run began with
        with torch.no_grad():
            for parameter in trainable(model).values():
                parameter.normal_(std=scale)
    loss, gradient = loss_and_gradient(trainer, data.train)
    unwrapped(model).set_attn_implementation("sdpa")
    model.zero_grad()
    expected = theirs.compute_loss(model, batch)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    assert gradient.norm() > 1e-3
    assert functional.cosine_similarity(gradient, gradient_of(model), dim=0) >= 0.99999
    torch.testing.assert_close(gradient, gradient_of(model), rtol=1e-3, atol=1e-6)


def test_fifty_steps_follow_trl_s_loss(model_dir: Path, tmp_path: Path, options: Callable[..., TrainConfig]) -> None:
    """Step by step what TRL's loss gives on the same rows, with the same clipping and AdamW."""
    config = options(
        model=str(model_dir),
        objective="preference",
        dpo={"beta": 0.3},
        learning_rate=1e-3,
        schedule="constant",
        warmup=0,
        epochs=17,
        max_steps=50,
    )
    objective = Preference(config)
    dataset = write_rows(tmp_path / "data")
    data = load(dataset, objective, model_dir)
    train(dataset, tmp_path / "run", config)
    ledger = pl.read_parquet(tmp_path / "run" / "ledger.parquet")
    ours = ledger.group_by("step").agg(pl.col("loss").mean()).sort("step")["loss"].to_list()
    model = fresh_model(model_dir, config)
    theirs = trl_trainer(model, objective, tmp_path, model_dir)
    order = StepOrder(data.train, config, RunPlan.of(len(data.train), config))
    places = {example.id: place for place, example in enumerate(data.train)}
    parameters = list(trainable(model).values())
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate or 0.0, weight_decay=0.0)
    expected = []
    model.train()
    for step in range(50):
        loss = theirs.compute_loss(model, theirs.data_collator([theirs.train_dataset[places[one.id]] for one in order[step]]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        expected.append(loss.item())
    assert expected[-1] < expected[0] - 0.1
    assert ours == pytest.approx(expected, abs=1e-4)
