"""KTO: against its formula on a plain forward pass, whose reference point is that of the whole step however it is divided."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch.nn import functional

from templates.form import Form
from tests.helpers import write_dataset
from tests.train.objectives.judged import judged_rows, write_judged
from tests.train.test_several_sequences import fresh_model, gradient_of, load, loss_and_gradient, make_trainer, plain_logprobs
from train.config import KtoOptions, TrainConfig
from train.data.examples import TrainingData, TrainingExample
from train.engine.loop import Trainer
from train.methods.base import trainable
from train.models.load import Model, load_model, unwrapped
from train.objectives.unpaired import Unpaired
from train.run import train

Options = Callable[..., TrainConfig]
CHANGED = {"beta": 0.6, "wanted_weight": 0.8, "unwanted_weight": 1.7}


@pytest.fixture(scope="module")
def judged_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_judged(tmp_path_factory.mktemp("judged") / "data")


def moved_trainer(model_dir: Path, objective: Unpaired, data: TrainingData, *, packed: bool = True) -> Trainer:
    """A trainer whose model has moved away from its reference."""
    model = fresh_model(model_dir, objective.config)
    trainer = make_trainer(model, objective, data, packed=packed)
    trainer.passes.ask_reference(data.train)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(3)
        for parameter in trainable(model).values():
            parameter.normal_(std=0.1, generator=generator)
    return trainer


def plain_ratio(model: Model, base: Model, example: TrainingExample) -> torch.Tensor:
    with torch.no_grad():
        (reference,) = plain_logprobs(base, example)
    return plain_logprobs(model, example)[0] - reference


@pytest.mark.parametrize("shift", [4.0, -4.0])
def test_loss_and_gradient_are_the_formula_s_however_a_step_is_divided(
    shift: float, judged_dir: Path, tiny_model_dir: Path, options: Options
) -> None:
    """Once with the reference point above 0 and once below, where it counts as 0."""
    assert set(CHANGED) == set(KtoOptions.model_fields)
    objective = Unpaired(options(objective="unpaired", kto=CHANGED))
    data = load(judged_dir, objective, tiny_model_dir)
    base = load_model(str(tiny_model_dir), "float32")
    for packed in (True, False):
        trainer = moved_trainer(tiny_model_dir, objective, data, packed=packed)
        assert trainer.passes.reference is not None
        others = [example.as_baseline() for example in data.train]
        # What the reference says of the other answers alone decides on which side of 0 the point is.
        trainer.passes.reference.logprobs[trainer.passes.reference.places(others)] -= shift
        found = []
        for limits in ({}, {"micro_batch_size": 1}, {"micro_batch_tokens": 150}):
            trainer.passes.config = TrainConfig.model_validate({**objective.config.model_dump(), **limits})
            trainer.passes.measure_baseline(data.train)
            found.append(loss_and_gradient(trainer, data.train))
        model = trainer.model
        unwrapped(model).set_attn_implementation("sdpa")
        model.zero_grad()
        with torch.no_grad():
            point = torch.stack([plain_ratio(model, base, other) for other in others]).mean() + shift
        assert (point > 0) == (shift > 0)
        losses = []
        for example in data.train:
            lead = plain_ratio(model, base, example) - point.clamp(min=0)
            wanted = example.sequences[0].sign == 1
            value = torch.sigmoid(CHANGED["beta"] * lead if wanted else -CHANGED["beta"] * lead)
            losses.append(CHANGED["wanted_weight" if wanted else "unwanted_weight"] * (1 - value))
        torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
        gradient = gradient_of(model)
        assert gradient.norm() > 1e-3
        for loss, other_gradient in found:
            assert loss == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)
            assert functional.cosine_similarity(other_gradient, gradient, dim=0) > 0.99999


def test_each_row_has_the_answer_of_another_prompt_for_good(options: Options) -> None:
    objective = Unpaired(options())
    rows: list[dict[str, Any]] = [{"id": f"row{index}", **row} for index, row in enumerate(judged_rows())]
    # Each answer names its own prompt, so that the pairs can be told.
    for row in rows:
        row["messages"][1]["content"] = row["messages"][0]["content"]
    found = objective.complete(rows)
    assert [{key: row[key] for key in rows[0]} for row in found] == rows
    others = {row["id"]: row["other answer"] for row in found}
    assert all(others[row["id"]][0]["role"] == "assistant" for row in rows)
    assert all(others[row["id"]][0]["content"] != row["messages"][0]["content"] for row in rows)
    # The order of the rows plays no part, and a row that is not there changes the pairs of those that had its answer alone.
    assert {row["id"]: row["other answer"] for row in objective.complete(rows[::-1])} == others
    fewer = {row["id"]: row["other answer"] for row in objective.complete(rows[1:])}
    gone = rows[0]["messages"][0]["content"]
    assert all(fewer[name] == others[name] for name in fewer if others[name][0]["content"] != gone)
    same = [{**row, "messages": [rows[0]["messages"][0], row["messages"][1]]} for row in rows]
    assert [row["other answer"] for row in objective.complete(same)] == [None] * len(rows)
    assert objective.complete([]) == []


def test_the_answer_that_ends_the_chat_alone_is_scored(tmp_path: Path, tiny_model_dir: Path, options: Options) -> None:
    chat = [("user", "The soup?"), ("assistant", "Great."), ("user", "And the bill?"), ("assistant", "Wrong.")]
    row = {"messages": [{"role": role, "content": content} for role, content in chat], "wanted": False}
    (example,) = load(write_dataset(tmp_path / "data", [row]), Unpaired(options()), tiny_model_dir).train
    (sequence,) = example.sequences
    assert (sequence.name, sequence.sign) == ("unwanted", -1)
    assert [piece.text for piece in sequence.encoded.pieces() if piece.trained] == ["Wrong.<|im_end|>"]
    assert example.baseline == ()


def test_another_s_answer_that_is_too_long_is_left_out_of_the_point(tmp_path: Path, tiny_model_dir: Path, options: Options) -> None:
    texts = [("x " * 60, "y"), ("x", "y " * 60)]
    rows = [{"messages": [{"role": "user", "content": a}, {"role": "assistant", "content": b}], "wanted": True} for a, b in texts]
    data = load(write_dataset(tmp_path / "data", rows), Unpaired(options()), tiny_model_dir, limit=160)
    assert [len(example.baseline) for example in data.train] == [0, 1]


def test_a_run_puts_answers_on_their_side(judged_dir: Path, tmp_path: Path, options: Options) -> None:
    record = train(judged_dir, tmp_path / "run", options(objective="unpaired", epochs=6, kto={"beta": 0.5}))
    ledger = pl.read_parquet(tmp_path / "run" / "ledger.parquet")
    first, last = (ledger.filter(epoch=epoch) for epoch in (1, 6))
    assert first.filter(step=1)["loss"].to_list() == pytest.approx([0.5] * 4, abs=1e-5)
    assert last["correct"].mean() > max(0.8, first["correct"].mean())  # type: ignore[operator,type-var]
    assert last["loss"].mean() < first["loss"].mean() - 0.1  # type: ignore[operator]
    assert record.form is Form.UNPAIRED
    assert "Mean loss per answer: train" in record.summary(tmp_path / "run")


def test_the_point_is_that_of_the_rows_of_a_step(judged_dir: Path, tiny_model_dir: Path, options: Options) -> None:
    objective = Unpaired(options(objective="unpaired"))
    data = load(judged_dir, objective, tiny_model_dir)
    trainer = moved_trainer(tiny_model_dir, objective, data)
    points = []
    for size in (None, 1, 3):
        trainer.passes.config = TrainConfig.model_validate({**trainer.config.model_dump(), "micro_batch_size": size})
        trainer.passes.measure_baseline(data.train[:8])
        assert trainer.passes.baseline is not None
        points.append(trainer.passes.baseline.item())
    assert points[1:] == pytest.approx([points[0]] * 2, rel=1e-4)
    trainer.passes.measure_baseline(data.train[:1])
    assert trainer.passes.baseline is not None
    assert trainer.passes.baseline.item() != pytest.approx(points[0], rel=1e-2)
