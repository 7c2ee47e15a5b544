"""Rows that share a backward pass have the gradients that each has alone, and sketches rank rows as the gradients themselves do."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from tests.helpers import write_dataset
from tests.train.conftest import reviews
from tests.train.objectives.judged import judged_rows
from tests.train.several import write_rows
from train.config import TrainConfig
from train.data.examples import TrainingExample, load_examples
from train.engine.loop import Trainer
from train.engine.memory import OutOfMemory
from train.engine.passes import Passes
from train.influence.linear_layers import linear_layers
from train.influence.sketcher import Sketcher
from train.ledger.projection import Projection
from train.methods.base import METHODS, trainable
from train.models.load import load_model
from train.objectives.base import OBJECTIVES

Begin = Callable[..., Trainer]
PROJECTION = Projection(17, 64)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("influence")
    pairs = write_rows(folder / "pairs")
    judged = write_dataset(folder / "judged", judged_rows())
    chats = write_dataset(folder / "chats", reviews())
    return {"preference": pairs, "reward": pairs, "unpaired": judged, "chat": chats, "verbalizer": chats}


@pytest.fixture
def begin(datasets: dict[str, Path], options: Callable[..., TrainConfig]) -> Begin:
    """Begins a run, moved a little from where it starts: there, half of an adapter has no gradient."""

    def make(objective: str = "chat", **changes: Any) -> Trainer:
        config = options(objective=objective, micro_batch_tokens=200, **changes)
        made = OBJECTIVES.get(objective)(config)
        data = load_examples(Dataset.open(datasets[objective]), made, load_tokenizer(config.model), config, 512)
        model = load_model(config.model, "float32", made.auto_class)
        trainer = Trainer.begin(model, made, METHODS.get(config.method)(config), data)
        if made.needs_reference:
            trainer.passes.ask_reference(data.train)
        torch.manual_seed(2)
        with torch.no_grad():
            for weight in trainable(trainer.model).values():
                weight.add_(0.05 * torch.randn_like(weight))
        return trainer

    return make


def row_gradient(trainer: Trainer, example: TrainingExample) -> dict[str, torch.Tensor]:
    """What the trainer makes of one row alone."""
    trainer.model.eval()
    trainer.model.zero_grad()
    trainer.passes.accumulate([example])
    found = {name: weight.grad.clone() for name, weight in trainable(trainer.model).items() if weight.grad is not None}
    trainer.model.zero_grad()
    return found


def project(gradient: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.stack([PROJECTION.sketch(name, one.unsqueeze(0))[0] for name, one in gradient.items()]).sum(0)


SHARED: list[dict[str, Any]] = [
    {},
    {"normalize": "example"},
    {"lora": {"rank": 3, "rslora": True, "dropout": 0.5}},
    {"objective": "verbalizer"},
    {"objective": "preference"},
    {"objective": "preference", "loss": "orpo", "normalize": "example"},
    {"objective": "reward"},
]
ALONE: list[dict[str, Any]] = [
    {"objective": "unpaired"},
    {"lora": {"dora": True}},
    {"method": "full"},
    {"method": "freeze", "freeze": {"layers": 1}},
]


@pytest.mark.parametrize("plainly", [False, True], ids=["packed", "padded"])
@pytest.mark.parametrize("changes", SHARED, ids=str)
def test_rows_that_share_a_pass_are_as_each_alone(
    begin: Begin, changes: dict[str, Any], plainly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = begin(**changes)
    rows = trainer.data.train
    with trainer.scorer.plainly() if plainly else nullcontext(trainer.scorer) as scorer:
        trainer.passes = replace(trainer.passes, scorer=scorer)
        expected = torch.stack([project(row_gradient(trainer, example)) for example in rows])
        before = {name: weight.detach().clone() for name, weight in trainable(trainer.model).items()}
        alone: list[str] = []
        counted: list[int] = []
        original = Sketcher._alone

        def noted(self: Sketcher, one: TrainingExample) -> torch.Tensor:
            alone.append(one.id)
            return original(self, one)

        monkeypatch.setattr(Sketcher, "_alone", noted)
        found = Sketcher.of(trainer.passes, PROJECTION).sketch(rows, counted.append)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    assert len(alone) == 2 < len(rows), "the others shared a pass"
    assert sum(counted) == len(rows)
    assert all(torch.equal(weight, before[name]) for name, weight in trainable(trainer.model).items())
    assert all(weight.grad is None or not weight.grad.any() for weight in trainable(trainer.model).values())


@pytest.mark.parametrize("changes", ALONE, ids=str)
def test_where_more_than_matrices_is_trained_each_row_has_a_pass_of_its_own(begin: Begin, changes: dict[str, Any]) -> None:
    trainer = begin(**changes)
    rows = trainer.data.train[:3]
    expected = torch.stack([project(row_gradient(trainer, example)) for example in rows])
    torch.testing.assert_close(Sketcher.of(trainer.passes, PROJECTION).sketch(rows), expected)


def test_a_row_is_sketched_by_the_gradient_of_its_own_mean_loss(begin: Begin) -> None:
    """Against the model's own forward pass and torch's cross-entropy."""
    trainer = begin()
    example = trainer.data.train[1]
    with trainer.scorer.plainly() as plain:
        encoded = example.sequences[0].encoded
        ids = torch.tensor([encoded.input_ids])
        labels = torch.where(torch.tensor(encoded.loss_weights) > 0, ids[0], -100)
        loss = functional.cross_entropy(plain.causal(input_ids=ids).logits[0, :-1], labels[1:], ignore_index=-100)
        weights = trainable(trainer.model)
        gradient = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
    (found,) = Sketcher.of(trainer.passes, PROJECTION).sketch([example])
    torch.testing.assert_close(found, project(gradient), rtol=1e-3, atol=1e-5)


def test_sketches_compare_rows_as_their_gradients_do(begin: Begin) -> None:
    trainer = begin()
    rows = trainer.data.train
    exact = torch.stack([torch.cat([one.flatten() for one in row_gradient(trainer, example).values()]) for example in rows])
    products = (exact @ exact.T).numpy()
    pairs = np.triu_indices(len(rows), 1)
    for size, least in ((64, 0.8), (4096, 0.99)):
        sketches = Sketcher.of(trainer.passes, Projection(17, size)).sketch(rows)
        found = (sketches @ sketches.T).numpy()
        assert np.corrcoef(found[pairs], products[pairs])[0, 1] > least
        lengths = np.sqrt(np.outer(products.diagonal(), products.diagonal()))
        assert np.abs(found - products)[pairs].max() < 5 * lengths.max() / size**0.5


def test_layers_that_misplace_rows_are_not_trusted(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that is given the positions in another order than the batch's, as a fused one might be, is found out on two rows."""
    trainer = begin()
    rows = trainer.data.train
    expected = Sketcher.of(trainer.passes, PROJECTION).sketch(rows)

    def turned(layer: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (inputs[0].flip(1),)

    layers = linear_layers(trainer.model)
    assert layers is not None
    notes: list[str] = []
    monkeypatch.setattr("train.influence.sketcher.notice", notes.append)
    for layer in layers.values():
        layer.register_forward_pre_hook(turned)
        layer.register_forward_hook(lambda _, __, output: output.flip(1))
    torch.testing.assert_close(Sketcher.of(trainer.passes, PROJECTION).sketch(rows), expected, rtol=1e-3, atol=1e-4)
    assert len(notes) == 1 and "a backward pass of its own" in notes[0]


def test_where_memory_runs_out_rows_share_a_pass_with_fewer(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = begin()
    rows = trainer.data.train
    expected = Sketcher.of(trainer.passes, PROJECTION).sketch(rows)
    original, most = Passes.accumulate, 2

    def small(self: Passes, examples: list[TrainingExample]) -> torch.Tensor:
        if len(examples) > most:
            raise OutOfMemory(examples)
        return original(self, examples)

    monkeypatch.setattr(Passes, "accumulate", small)
    torch.testing.assert_close(Sketcher.of(trainer.passes, PROJECTION).sketch(rows), expected, rtol=1e-3, atol=1e-4)
    most = 0
    with pytest.raises(UserError, match="memory runs out on the gradient of row row"):
        Sketcher.of(trainer.passes, PROJECTION).sketch(rows)
