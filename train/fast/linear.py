"""Linear layers that read the same input, as one product, with the adapters on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from typing_extensions import override


@dataclass(frozen=True, slots=True)
class Adapter:
    """A low-rank update of one layer.

    Attributes:
        down: A, [r, in].
        up: B, [out, r].
        scale: what their product is multiplied by.
        dropout: what of the input A does not see in training.
        magnitude: the length of each row of the updated weights, [out], where that is trained apart (DoRA; Liu et al., 2024); else None.
    """

    down: torch.Tensor
    up: torch.Tensor
    scale: float
    dropout: torch.nn.Module
    magnitude: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """Layers [out_i, in] that read the same input, side by side.

    Attributes:
        weight: their frozen weights, one below the other, [out, in]; the layers' own are views of it.
        bias: [out]; None where they have none.
        sizes: out_i.
        adapters: of each layer; None where it has none.
        known: what `cast` returns, where nothing changes the adapters; else None.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    sizes: tuple[int, ...]
    adapters: tuple[Adapter | None, ...]
    known: tuple[torch.Tensor, torch.Tensor] | None = None

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
        joined = _joined([one.data for one in weights])
        start = 0
        for weight in weights:  # once in memory, not twice
            weight.data = joined[start : start + len(weight)]
            start += len(weight)
        bias = None if biases[0] is None else torch.cat([one.data for one in biases])
        return cls(joined, bias, tuple(map(len, weights)), tuple(adapters))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[T, in] -> [T, out], in x's precision."""
        adapters = [adapter for adapter in self.adapters if adapter]
        parameters = [one for adapter in adapters for one in (adapter.down, adapter.up)]
        # Layers that read the same input leave out the same of it.
        shares = [one.dropout.p for one in adapters if isinstance(one.dropout, torch.nn.Dropout) and one.dropout.training]
        share = max(shares, default=0.0)
        if all(adapter.magnitude is None for adapter in adapters):
            return _Linear.apply(x, self, share, self.bias, *parameters)  # type: ignore[no-any-return, no-untyped-call]
        product = _Linear.apply(x, self, share, None, *parameters) * self._gains().to(x.dtype)  # type: ignore[no-untyped-call]
        return product if self.bias is None else product + self.bias  # type: ignore[no-any-return]

    def _gains(self) -> torch.Tensor:
        """Returns what each output is multiplied by: its magnitude over the length of its row, which counts as a constant, [out]."""
        found, row = [], 0
        for size, adapter in zip(self.sizes, self.adapters, strict=True):
            if adapter is None or adapter.magnitude is None:
                found.append(torch.ones(size, dtype=torch.float32 if adapter is None else adapter.up.dtype))
            else:
                with torch.no_grad():
                    update = adapter.scale * (adapter.up @ adapter.down)
                    length = torch.linalg.vector_norm(self.weight[row : row + size].to(update.dtype) + update, dim=1)
                found.append(adapter.magnitude / length)
            row += size
        return torch.cat(found)

    def cast(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns A of all adapters, [R, in], and B of all with their scales, [out, R], in the precision of the weight.

        Made anew each time: nothing tells when an optimiser has changed them, as its fused kernels count no version.
        """
        if self.known is not None:
            return self.known
        with torch.no_grad():
            dtype = self.weight.dtype
            down = torch.cat([adapter.down for adapter in self.adapters if adapter]).to(dtype)
            up = self.weight.new_zeros(len(self.weight), len(down))
            for adapter, rows, columns in self.blocks():
                up[rows, columns] = (adapter.up * adapter.scale).to(dtype)
        return down, up

    def fixed(self) -> "Joined":
        """Returns the same with its adapters as they are now."""
        return replace(self, known=self.cast()) if any(self.adapters) else self

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


@dataclass(frozen=True, slots=True)
class TrainedJoined:
    """Layers [out_i, in] that read the same input and whose own weights are trained, in float32 where the product may be in less.

    Attributes:
        layers: as torch has them.
    """

    layers: tuple[torch.nn.Linear, ...]

    @classmethod
    def of(cls, layers: Sequence[Any]) -> "TrainedJoined | None":
        """Joins layers without adapters; None where they are none that can be joined."""
        if not all(type(layer) is torch.nn.Linear for layer in layers) or len({layer.bias is None for layer in layers}) > 1:
            return None
        return cls(tuple(layers))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Their out_i."""
        return tuple(len(layer.weight) for layer in self.layers)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[T, in] -> [T, out], in x's precision."""
        weights = [layer.weight.to(x.dtype) for layer in self.layers]
        biases = [layer.bias.to(x.dtype) for layer in self.layers if layer.bias is not None]
        if len(weights) == 1:
            return torch.nn.functional.linear(x, weights[0], biases[0] if biases else None)
        return torch.nn.functional.linear(x, torch.cat(weights), torch.cat(biases) if biases else None)


def joined(layers: Sequence[Any]) -> Joined | TrainedJoined | None:
    """Joins layers that read the same input, as what is trained of them wants it; None where they are none that can be joined."""
    return Joined.of(layers) or TrainedJoined.of(layers)


class _Linear(torch.autograd.Function):
    """x W' + x A' B', whose products are added up in place, and whose gradients are those of A and B alone (and of x)."""

    @staticmethod
    @override
    def forward(
        ctx: Any, x: torch.Tensor, joined: Joined, share: float, bias: torch.Tensor | None, *parameters: torch.Tensor
    ) -> torch.Tensor:
        output = torch.nn.functional.linear(x, joined.weight, bias)
        ctx.joined, ctx.share = joined, share
        if not parameters:
            return output
        down, up = joined.cast()
        seen, mask = torch.native_dropout(x, share, True) if share else (x, None)
        reduced = seen @ down.t()
        output.addmm_(reduced, up.t())
        ctx.save_for_backward(seen, reduced, down, up, *([] if mask is None else [mask]))
        return output

    @staticmethod
    @override
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        joined, of_x = ctx.joined, None
        if ctx.needs_input_grad[0]:
            of_x = gradient @ joined.weight
        saved = ctx.saved_tensors
        if not saved:
            return of_x, None, None, None
        seen, reduced, down, up, *masks = saved
        of_reduced = gradient @ up
        if of_x is not None and masks:
            of_x += torch.ops.aten.native_dropout_backward(of_reduced @ down, masks[0], 1 / (1 - ctx.share))
        elif of_x is not None:
            of_x.addmm_(of_reduced, down)
        of_down = of_reduced.t() @ seen
        found: list[torch.Tensor] = []
        for adapter, rows, columns in joined.blocks():
            of_up = (gradient[:, rows].t() @ reduced[:, columns]).to(adapter.up.dtype)
            found += [of_down[columns].to(adapter.down.dtype), of_up.mul_(adapter.scale)]
        return of_x, None, None, None, *found


_UNFIT = object()


def _plain(layer: Any) -> Any:
    """Returns the linear layer beneath an adapter, or the layer itself; None where it is no plain one."""
    base = layer.get_base_layer() if hasattr(layer, "get_base_layer") else layer
    return base if type(base) is torch.nn.Linear else None


def _adapter(layer: Any) -> Any:
    """Returns a layer's adapter; None where none is switched on; `_UNFIT` where it is more than the product of two matrices."""
    if not hasattr(layer, "get_base_layer"):
        return None
    from peft.tuners.lora import Linear

    if type(layer) is not Linear or layer.merged:
        return _UNFIT
    names = [] if layer.disable_adapters else [name for name in layer.active_adapters if name in layer.lora_A]
    if not names:
        return None
    [name, *others] = names
    down, up = layer.lora_A[name], layer.lora_B[name]
    dropout = layer.lora_dropout[name]
    has_magnitude = bool(layer.use_dora.get(name))
    has_more = others or bool(layer.lora_variant.get(name)) != has_magnitude or up.bias is not None
    # With dropout, what a magnitude multiplies is another product again.
    takes = torch.nn.Identity if has_magnitude else torch.nn.Identity | torch.nn.Dropout
    if has_more or not isinstance(dropout, takes):
        return _UNFIT
    magnitude = layer.lora_magnitude_vector[name].weight if has_magnitude else None
    return Adapter(down.weight, up.weight, float(layer.scaling[name]), dropout, magnitude)


def _joined(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """Returns matrices one below the other: where they lie so already, without a copy."""
    first, width = weights[0], weights[0].shape[1]
    place = first.storage_offset()
    for weight in weights:
        is_next = weight.untyped_storage().data_ptr() == first.untyped_storage().data_ptr() and weight.storage_offset() == place
        if not is_next or not weight.is_contiguous():
            return torch.cat(list(weights))
        place += weight.numel()
    return first.as_strided((sum(map(len, weights)), width), (width, 1), first.storage_offset())
