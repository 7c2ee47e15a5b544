"""Each row's own gradient from the backward pass of several rows at once, where all that is trained are matrices of linear layers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch

from train.data.examples import TrainingExample
from train.methods.base import trainable
from train.models.load import Model

Take = Callable[[str, torch.Tensor], None]
"""Told a parameter's name and each row's gradient of it, float32 [R, out, in]."""


class UnknownLayoutError(Exception):
    """A layer was given something else than the positions of the micro-batch, as the experts of a mixture are."""


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Where the R rows of a micro-batch lie in what a layer reads, by the layout of `train.data.packing.collate`.

    Attributes:
        shape: of the positions, (B, T).
        positions: where each row begins among the B * T positions, and where the last one ends, R + 1 numbers.
        sequences: the same among the S sequences, for a layer that reads one position of each.
    """

    shape: tuple[int, int]
    positions: list[int]
    sequences: list[int]

    @classmethod
    def of(cls, group: list[TrainingExample], *, packed: bool) -> "RowLayout":
        """Returns the layout of a micro-batch of these examples, in this order."""
        sequences = list(accumulate((len(example.sequences) for example in group), initial=0))
        if packed:
            positions = list(accumulate((example.num_tokens for example in group), initial=0))
            return cls((1, positions[-1]), positions, sequences)
        width = max(example.longest for example in group)
        return cls((sequences[-1], width), [width * sequence for sequence in sequences], sequences)

    def row_gradients(self, read: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
        """Returns each row's gradient of a linear layer's matrix, the sum over its positions of the outer product: float32 [R, out, in].

        Args:
            read: what the layer read, [B, T, in] or [S, in].
            upstream: the loss's gradient of what it gave, [B, T, out] or [S, out].

        Raises:
            UnknownLayoutError: it read something else.
        """
        leading = tuple(read.shape[:-1])
        if leading not in {self.shape, (self.sequences[-1],)}:
            raise UnknownLayoutError
        bounds = self.positions if leading == self.shape else self.sequences
        read, upstream = read.flatten(0, -2).float(), upstream.flatten(0, -2).float()
        return torch.stack([upstream[start:end].T @ read[start:end] for start, end in pairwise(bounds)])


def linear_layers(model: Model) -> dict[str, torch.nn.Linear] | None:
    """Returns the linear layer of each trained parameter; None where something else is trained: a bias, a norm, an embedding."""
    found = {
        f"{name}.weight": module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and type(module).forward is torch.nn.Linear.forward
    }
    trained = trainable(model).keys()
    return {name: found[name] for name in trained} if trained and trained <= found.keys() else None


@contextmanager
def taking_row_gradients(layers: dict[str, torch.nn.Linear], layout: RowLayout, take: Take) -> Iterator[None]:
    """Within the block, a forward and backward pass of one micro-batch gives each row's gradients, a layer at a time: none is kept.

    Args:
        layers: the trained layers, by the names of their matrices.
        layout: of the micro-batch.
        take: what is told of each layer; of one that is used several times, several times, to be added up.
    """

    def watch(name: str) -> Callable[[Any, tuple[torch.Tensor, ...], torch.Tensor], None]:
        def after_forward(_: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if output.requires_grad:
                read = inputs[0].detach()
                output.register_hook(lambda upstream: take(name, layout.row_gradients(read, upstream)))  # type: ignore[no-untyped-call]

        return after_forward

    hooks = [layer.register_forward_hook(watch(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
