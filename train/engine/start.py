"""What a run says before its first step."""

from pathlib import Path

import torch

from loopwright.console import notice
from train.engine.loop import Trainer
from train.fast.kernels import Kernels
from train.methods.base import trainable
from train.models.load import unwrapped
from train.models.quantize import num_weights


def announce(trainer: Trainer, model_folder: Path) -> None:
    """Says a line each of the model, the device, the precision, what is trained, the steps and the tokens."""
    config, data = trainer.config, trainer.data
    plan, order = trainer.plan, trainer.order
    trained = sum(parameter.numel() for parameter in trainable(trainer.model).values())
    every = [num_weights(parameter) for _, parameter in trainer.model.named_parameters()]
    num_tokens = sum(example.num_tokens for step in range(plan.num_steps) for example in order[step])
    supervised = sum(len(sequence.targets) for example in data.train for sequence in example.sequences)
    read = sum(example.num_tokens for example in data.train)
    kind = unwrapped(trainer.model).config.model_type
    scorer = trainer.scorer
    path = "fast: no padding, what examples begin with alike is computed once" if scorer.fast else f"plain, as {scorer.why_plain}"
    path += ", compiled" if scorer.fast and scorer.fast.kernels != Kernels() else ""
    path += ", examples packed" if scorer.packed and not scorer.fast else ""
    path += ", layers computed again in the backward pass" if scorer.is_checkpointed else ""
    quantized = "" if config.quantize is None else f", the base's weights in 4 bits ({config.quantize})"
    device = trainer.scorer.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    for what, said in (
        ("model", f"{config.model} ({kind}), in {model_folder}"),
        ("device", f"{device.type}, {name}{f', {trainer.world.size} processes' if trainer.world.size > 1 else ''}"),
        ("dtype", f"{str(trainer.scorer.dtype).removeprefix('torch.')}{quantized}"),
        ("path", path),
        ("trained", f"{trained:,} of {sum(every):,} parameters ({trained / sum(every):.2%}), method {config.method}"),
        ("steps", f"{plan.steps_per_epoch:,} an epoch of {config.batch_size} examples, {plan.num_steps:,} in all"),
        ("tokens", f"{num_tokens:,} in all, {supervised / read:.1%} of them trained"),
    ):
        notice(f"{what:>8}  {said}")
