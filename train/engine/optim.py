"""The learning rate of each step."""

import math
from collections.abc import Callable

from train.config import TrainConfig


def learning_rate(step: int, num_steps: int, config: TrainConfig) -> float:
    """Returns the learning rate of a step, counted from 0."""
    num_warmup = round(config.warmup * num_steps)
    if step < num_warmup:
        return config.learning_rate * (step + 1) / num_warmup
    share = (step - num_warmup) / max(1, num_steps - num_warmup)
    falls: dict[str, Callable[[], float]] = {
        "constant": lambda: 1.0,
        "linear": lambda: 1.0 - share,
        "cosine": lambda: (1.0 + math.cos(math.pi * share)) / 2,
    }
    return config.learning_rate * falls[config.schedule]()
