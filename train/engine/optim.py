"""The optimiser, and the learning rate of each step."""

import math
from collections.abc import Callable

import torch

from train.config import TrainConfig

# The share of the steps over which `wsd` falls (Hägele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training
# Durations", 2024: a fifth is enough, along 1 - sqrt).
_DECAY_SHARE = 0.2


def make_optimizer(
    parameters: dict[str, torch.nn.Parameter], config: TrainConfig, rate_of: Callable[[str], float] = lambda _: 1.0
) -> torch.optim.Optimizer:
    """Returns the run's optimiser. `set_learning_rate` gives it each step's rate.

    Gains of norms and biases are vectors, and get no weight decay: it would pull them to zero and limit nothing (as in GPT-2 and Llama).

    Args:
        parameters: what is trained, by name.
        config: the run's options.
        rate_of: what a parameter's learning rate is multiplied by, by its name.
    """
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in parameters.items():
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate_of(name), decay), []).append(parameter)
    options = [{"params": chosen, "rate": rate, "weight_decay": decay} for (rate, decay), chosen in groups.items()]
    if config.optimizer == "adafactor":
        return torch.optim.Adafactor(options, lr=0.0)
    return torch.optim.AdamW(options, lr=0.0, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Gives each group of parameters its own multiple of a step's learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]


def learning_rate(step: int, num_steps: int, config: TrainConfig) -> float:
    """Returns the learning rate of a step, counted from 0."""
    assert config.learning_rate is not None, "preparing the run says what it is"
    num_warmup = round(config.warmup * num_steps)
    if step < num_warmup:
        return config.learning_rate * (step + 1) / num_warmup
    share = (step - num_warmup) / max(1, num_steps - num_warmup)
    falls: dict[str, Callable[[], float]] = {
        "constant": lambda: 1.0,
        "linear": lambda: 1.0 - share,
        "cosine": lambda: (1.0 + math.cos(math.pi * share)) / 2,
        "wsd": lambda: 1.0 - math.sqrt(max(0.0, step / num_steps - (1 - _DECAY_SHARE)) / _DECAY_SHARE),
    }
    return config.learning_rate * falls[config.schedule]()
