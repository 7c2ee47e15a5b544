"""Linear layers that read the same input, as one product, with the adapters on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from typing_extensions import override

_ADAPTER = "default"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A low-rank update of one layer.

    Attributes:
        down: A, [r, in].
        up: B, [out, r].
        scale: what their product is multiplied by.
    """

    down: torch.Tensor
    up: torch.Tensor
    scale: float


@dataclass(frozen=True, slots=True)
class Joined:
    """Layers [out_i, in] that read the same input, side by side.

    Attributes:
        weight: their frozen weights, one below the other, [out, in]; the layers' own are views of it.
        bias: [out]; None where they have none.
        sizes: out_i.
        adapters: of each layer; None where it has none.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    sizes: tuple[int, ...]
    adapters: tuple[Adapter | None, ...]

    @classmethod
    def of(cls, layers: Sequence[Any]) -> "Joined | None":
        """Joins layers, which from then on read their weights from one tensor; None where they are none that can be joined."""
        plain = [_plain(layer) for layer in layers]
        adapters = [_adapter(layer) for layer in layers]
        if any(one is None or one.weight.requires_grad for one in plain) or any(one is _UNFIT for one in adapters):
            return None
        weights = [one.weight for one in plain]
        biases = [one.bias for one in plain]
        if len({one is None for one in biases}) > 1 or any(one is not None and one.requires_grad for one in biases):
            return None
        joined = weights[0].data if len(weights) == 1 else torch.cat([one.data for one in weights])
        start = 0
        for weight in weights:  # once in memory, not twice
            weight.data = joined[start : start + len(weight)]
            start += len(weight)
        bias = None if biases[0] is None else torch.cat([one.data for one in biases])
        return cls(joined, bias, tuple(map(len, weights)), tuple(adapters))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[T, in] -> [T, out], in x's precision."""
        parameters = [one for adapter in self.adapters if adapter for one in (adapter.down, adapter.up)]
        return _Linear.apply(x, self, *parameters)  # type: ignore[no-any-return, no-untyped-call]

    def cast(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns A of all adapters, [R, in], and B of all with their scales, [out, R], in the precision of the weight.

        Made anew each time: nothing tells when an optimiser has changed them, as its fused kernels count no version.
        """
        with torch.no_grad():
            dtype = self.weight.dtype
            down = torch.cat([adapter.down for adapter in self.adapters if adapter]).to(dtype)
            up = self.weight.new_zeros(len(self.weight), len(down))
            for adapter, rows, columns in self.blocks():
                up[rows, columns] = (adapter.up * adapter.scale).to(dtype)
        return down, up

    def blocks(self) -> list[tuple[Adapter, slice, slice]]:
        """Returns of each adapter which of the joined outputs and ranks are its own."""
        found, row, column = [], 0, 0
        for size, adapter in zip(self.sizes, self.adapters, strict=True):
            if adapter:
                rank = len(adapter.down)
                found.append((adapter, slice(row, row + size), slice(column, column + rank)))
                column += rank
            row += size
        return found


class _Linear(torch.autograd.Function):
    """x W' + x A' B', whose products are added up in place, and whose gradients are those of A and B alone (and of x)."""

    @staticmethod
    @override
    def forward(ctx: Any, x: torch.Tensor, joined: Joined, *parameters: torch.Tensor) -> torch.Tensor:
        output = torch.nn.functional.linear(x, joined.weight, joined.bias)
        ctx.joined = joined
        if not parameters:
            return output
        down, up = joined.cast()
        reduced = x @ down.t()
        output.addmm_(reduced, up.t())
        ctx.save_for_backward(x, reduced, down, up)
        return output

    @staticmethod
    @override
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        joined, of_x = ctx.joined, None
        if ctx.needs_input_grad[0]:
            of_x = gradient @ joined.weight
        if not ctx.saved_tensors:
            return of_x, None
        x, reduced, down, up = ctx.saved_tensors
        of_reduced = gradient @ up
        if of_x is not None:
            of_x.addmm_(of_reduced, down)
        of_down = of_reduced.t() @ x
        found: list[torch.Tensor] = []
        for adapter, rows, columns in joined.blocks():
            of_up = (gradient[:, rows].t() @ reduced[:, columns]).to(adapter.up.dtype)
            found += [of_down[columns].to(adapter.down.dtype), of_up.mul_(adapter.scale)]
        return of_x, None, *found


_UNFIT = object()


def _plain(layer: Any) -> Any:
    """Returns the linear layer beneath an adapter, or the layer itself; None where it is no plain one."""
    base = layer.get_base_layer() if hasattr(layer, "get_base_layer") else layer
    return base if type(base) is torch.nn.Linear else None


def _adapter(layer: Any) -> Any:
    """Returns a layer's adapter; None where it has none; `_UNFIT` where it is more than the product of two matrices."""
    if not hasattr(layer, "get_base_layer"):
        return None
    from peft.tuners.lora import Linear

    if type(layer) is not Linear or layer.merged or layer.disable_adapters or list(layer.active_adapters) != [_ADAPTER]:
        return _UNFIT
    down, up = layer.lora_A[_ADAPTER], layer.lora_B[_ADAPTER]
    has_more = layer.use_dora.get(_ADAPTER) or up.bias is not None or not isinstance(layer.lora_dropout[_ADAPTER], torch.nn.Identity)
    return _UNFIT if has_more else Adapter(down.weight, up.weight, float(layer.scaling[_ADAPTER]))
