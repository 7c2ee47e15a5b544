"""Ways to break a training run in silence: the loss falls in all of them. Each is active in training only."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from templates.chat import Encoded, encode_chat
from train.config import TrainConfig
from train.data.examples import TrainingExample
from train.data.packing import MicroBatch, Segments, collate, micro_batches
from train.engine.loop import Trainer
from train.engine.optim import learning_rate, make_optimizer
from train.engine.passes import Passes, Summaries
from train.ledger.ledger import summarise
from train.methods.base import trainable
from train.methods.lora import Lora
from train.models.load import Model

Patch = pytest.MonkeyPatch
Sabotage = Callable[[Patch], None]


def mask_shifted_by_one(patch: Patch) -> None:
    _change_weights(patch, lambda weights: [0.0, *weights[:-1]])


def end_token_cut(patch: Patch) -> None:
    _change_weights(patch, lambda weights: [one if next_one else 0.0 for one, next_one in pairwise([*weights, 0.0])])


def _change_weights(patch: Patch, change: Callable[[list[float]], list[float]]) -> None:
    def changed(*given: Any) -> tuple[Encoded, ...]:
        return tuple(replace(one, loss_weights=change(one.loss_weights)) for one in encode_chat(*given))

    patch.setattr("train.objectives.chat.encode_chat", changed)


def saved_before_the_last_step(patch: Patch) -> None:
    before: dict[str, torch.Tensor] = {}
    step = Trainer._step

    def remembering(self: Trainer, *given: Any) -> tuple[torch.Tensor, torch.Tensor]:
        before.update({name: weight.detach().clone() for name, weight in trainable(self.model).items()})
        return step(self, *given)

    patch.setattr(Trainer, "_step", remembering)
    _change_saved(patch, lambda name, _: before[name])


def saved_with_zeroed_b(patch: Patch) -> None:
    _change_saved(patch, lambda name, weight: torch.zeros_like(weight) if "lora_B" in name else weight)


def _change_saved(patch: Patch, change: Callable[[str, torch.Tensor], torch.Tensor]) -> None:
    save = Lora.save

    def saving(self: Lora, model: Model, folder: Path) -> None:
        own = {name: weight.data for name, weight in trainable(model).items()}
        for name, weight in trainable(model).items():
            weight.data = change(name, own[name])
        save(self, model, folder)
        for name, weight in trainable(model).items():
            weight.data = own[name]

    patch.setattr(Lora, "save", saving)


def packed_batch_sees_its_neighbour(patch: Patch) -> None:
    def merging(*given: Any, packed: bool) -> MicroBatch:
        batch = collate(*given, packed=packed)
        return replace(batch, segments=Segments.of([batch.input_ids.numel()], batch.input_ids.device)) if packed else batch

    patch.setattr("train.engine.passes.collate", merging)


def accumulation_averaged_by_micro_batch(patch: Patch) -> None:
    def averaging(self: Passes, examples: list[TrainingExample]) -> tuple[torch.Tensor, Summaries]:
        groups = list(micro_batches(examples, self.config, packed=self.scorer.packed))
        total = torch.zeros(())
        summaries = []
        for group in groups:
            scores = self.score(group)
            loss = self.objective.loss(scores) / sum(example.normalizer for example in group) / len(groups)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            summaries.append((group, summarise(self.objective, group, scores)))
        return total, summaries

    patch.setattr(Passes, "_sum_gradient", averaging)


def weight_decay_never_read(patch: Patch) -> None:
    def without_decay(self: Trainer) -> torch.optim.Optimizer:
        config = TrainConfig.model_validate({**self.config.model_dump(), "weight_decay": 0.0})
        return make_optimizer(trainable(self.model), config, self.rate_of)

    patch.setattr(Trainer, "_optimizer", without_decay)


def warmup_read_and_dropped(patch: Patch) -> None:
    def without_warmup(step: int, num_steps: int, config: TrainConfig) -> float:
        return learning_rate(step, num_steps, config.model_copy(update={"warmup": config.warmup * 0}))

    patch.setattr("train.engine.loop.learning_rate", without_warmup)


SABOTAGES: list[tuple[Sabotage, str, str]] = [
    (mask_shifted_by_one, "trained_answers", "first_steps"),
    (end_token_cut, "trained_answers", "first_steps"),
    (saved_before_the_last_step, "saved_weights", "saved_weights"),
    (saved_with_zeroed_b, "saved_weights", "saved_weights"),
    (packed_batch_sees_its_neighbour, "packed_equals_unpacked", "first_steps"),
    (accumulation_averaged_by_micro_batch, "accumulation_equals_one_batch", "first_steps"),
    (weight_decay_never_read, "options", "options"),
    (warmup_read_and_dropped, "options", "first_steps"),
]
"""Each, the proof at the end of the run that fails, and one that fails afterwards, when the code is sound again."""
