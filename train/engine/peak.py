"""How much of the machine's matrix products a run makes use of."""

import re
import time

import torch

from train.data.examples import TrainingExample
from train.data.packing import micro_batches
from train.engine.flops import FlopModel
from train.engine.passes import Passes
from train.fast.layout import Layout
from train.models.heads import is_masked
from train.models.load import is_sharded, unwrapped

# Rows of the products that are timed: a micro-batch of as many tokens.
_ROWS = 2048
_TIMES = 5
# Steps that stand for all.
_STEPS = 16


def useful_flops_per_token(passes: Passes, steps: list[list[TrainingExample]]) -> float:
    """Returns the operations that steps need for each of their tokens: no padding, and what sequences begin with alike once.

    Args:
        passes: of the run.
        steps: the examples of each; some of them, evenly spread, are counted.
    """
    model = FlopModel.of(passes.model)
    total, num_tokens = 0.0, 0
    some = [examples for examples in steps if examples]
    for examples in some[:: max(1, len(some) // _STEPS)]:
        for group in micro_batches(examples, passes.config, packed=passes.scorer.packed, apart=passes.objective.independent):
            sequences = [sequence for example in group for sequence in example.sequences]
            ids = [torch.tensor(sequence.encoded.input_ids).numpy() for sequence in sequences]
            layout = Layout.of(ids, share=not is_masked(unwrapped(passes.model)))  # where all is seen, no beginning is alike
            targets = sum(len(sequence.targets) for sequence in sequences)
            total += len(layout.input_ids) * model.per_position + targets * model.per_target + 2 * layout.num_pairs * model.per_square
            num_tokens += sum(map(len, ids))
    return total / max(1, num_tokens)


def product_rate(passes: Passes) -> float | None:
    """Returns the operations a second that products with the matrices of one layer reach here, the best of several times.

    None where no layer is found. They are those of a forward and a backward pass, in the precision of the run.
    """
    found = [
        (match.group(), parameter)
        for name, parameter in unwrapped(passes.model).named_parameters()
        if parameter.ndim == 2
        and parameter.is_floating_point()
        and not is_sharded(parameter)
        and "lora_" not in name
        and (match := re.search(r"^.*?\.\d+\.", name))
    ]
    weights = [parameter.detach().to(passes.scorer.dtype) for prefix, parameter in found if prefix == found[0][0]]
    if not weights:
        return None
    inputs = {size: torch.randn(_ROWS, size, device=passes.scorer.device).to(passes.scorer.dtype) for one in weights for size in one.shape}
    seconds = []
    for _ in range(_TIMES):
        _wait(passes.scorer.device)
        started = time.perf_counter()
        for weight in weights:
            torch.mm(inputs[weight.shape[1]], weight.t())
            torch.mm(inputs[weight.shape[0]], weight)
        _wait(passes.scorer.device)
        seconds.append(time.perf_counter() - started)
    return sum(4.0 * _ROWS * weight.numel() for weight in weights) / min(seconds)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
