"""KTO against TRL, where it is installed: one step's loss and gradient, with the same other answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from typing_extensions import override

from tests.train.objectives.judged import judged_rows, write_judged
from tests.train.objectives.test_preference_against_trl import model_dir
from tests.train.test_several_sequences import fresh_model, gradient_of, load, loss_and_gradient, make_trainer
from train.config import TrainConfig
from train.methods.base import trainable
from train.models.load import unwrapped
from train.objectives.unpaired import Unpaired

trl = pytest.importorskip("trl")
__all__ = ["model_dir"]


class AsTrl(Unpaired):
    """With TRL's choice of the other answer: that of the row before, in the batch."""

    @override
    def complete(self, examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**example, "other answer": examples[place - 1]["messages"][-1:]} for place, example in enumerate(examples)]


@pytest.mark.parametrize("scale", [None, 0.1])
def test_kto_is_trl_s(scale: float | None, model_dir: Path, tmp_path: Path, options: Callable[..., TrainConfig]) -> None:
    from datasets import Dataset
    from transformers import AutoTokenizer

    options_of_loss = {"beta": 0.3, "wanted_weight": 1.2, "unwanted_weight": 0.7}
    objective = AsTrl(options(model=str(model_dir), objective="unpaired", kto=options_of_loss))
    data = load(write_judged(tmp_path / "data"), objective, model_dir)
    model = fresh_model(model_dir, objective.config)
    trainer = make_trainer(model, objective, data)
    trainer.passes.ask_reference(data.train)
    rows = [
        {"prompt": row["messages"][:-1], "completion": row["messages"][-1:], "label": row["wanted"]}
        for row in judged_rows()
        if row["split"] == "train"
    ]
    config = trl.KTOConfig(
        output_dir=str(tmp_path / "trl"),
        beta=0.3,
        desirable_weight=1.2,
        undesirable_weight=0.7,
        per_device_train_batch_size=len(rows),
        use_cpu=True,
        bf16=False,
        report_to=[],
        gradient_checkpointing=False,
    )
    theirs: Any = trl.KTOTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=AutoTokenizer.from_pretrained(model_dir)
    )
    batch = theirs.data_collator([theirs.train_dataset[index] for index in range(len(rows))])
    if scale:
        with torch.no_grad():
            for parameter in trainable(model).values():
                parameter.normal_(std=scale)
    trainer.passes.measure_baseline(data.train)
    loss, gradient = loss_and_gradient(trainer, data.train)
    unwrapped(model).set_attn_implementation("sdpa")
    model.zero_grad()
    expected = theirs.compute_loss(model, batch)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert gradient.norm() > 1e-4
    assert functional.cosine_similarity(gradient, gradient_of(model), dim=0) >= 0.99999
