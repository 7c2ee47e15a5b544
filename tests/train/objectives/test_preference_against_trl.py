"""DPO against TRL, where it is installed: masks, loss and gradient of the same adapter on the same pairs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.conftest import CHATML, make_tokenizer
from tests.train.several import rows, write_rows
from tests.train.test_several_sequences import fresh_model, gradient_of, load, loss_and_gradient, make_trainer
from train.config import TrainConfig
from train.methods.base import trainable
from train.models.load import unwrapped
from train.objectives.preference import Preference

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


@pytest.mark.parametrize("scale", [None, 0.1])
def test_dpo_is_trl_s(scale: float | None, model_dir: Path, tmp_path: Path, options: Callable[..., TrainConfig]) -> None:
    from datasets import Dataset
    from transformers import AutoTokenizer

    objective = Preference(options(model=str(model_dir), objective="preference", dpo={"beta": 0.3}))
    data = load(write_rows(tmp_path / "data"), objective, model_dir)
    model = fresh_model(model_dir, objective.config)
    trainer = make_trainer(model, objective, data)
    trainer.reference = trainer._ask_reference(data.train)
    pairs = [{"prompt": row["messages"], "chosen": row["chosen"], "rejected": row["rejected"]} for row in rows() if row["split"] == "train"]
    config = trl.DPOConfig(
        output_dir=str(tmp_path / "trl"),
        beta=0.3,
        per_device_train_batch_size=len(pairs),
        use_cpu=True,
        bf16=False,
        report_to=[],
        gradient_checkpointing=False,
    )
    theirs: Any = trl.DPOTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(pairs), processing_class=AutoTokenizer.from_pretrained(model_dir)
    )
    batch = theirs.data_collator([theirs.train_dataset[index] for index in range(len(pairs))])
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
