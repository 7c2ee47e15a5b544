"""What is computed a number at a time: norms, rotations and gates, forward and backward.

Each is a plain function of tensors, in float32 within, so that a compiler can make one pass over memory of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch

Tensor = torch.Tensor


def wide(x: Tensor) -> Tensor:
    """Returns a tensor in the precision in which sums are taken: float32, or its own where that is more."""
    return x if x.dtype == torch.float64 else x.float()


def rms_forward(x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Root-mean-square norm (Zhang and Sennrich, 2019) over the last dimension; also its factors, float32 [..., 1]."""
    values = wide(x)
    factor = torch.rsqrt(values.square().mean(-1, keepdim=True) + eps)
    return (weight * (values * factor).to(x.dtype)).to(x.dtype), factor


def rms_backward(gradient: Tensor, x: Tensor, weight: Tensor, factor: Tensor) -> Tensor:
    """The gradient of `rms_forward`'s x."""
    values, upstream = wide(x), wide(gradient) * wide(weight)
    mean = (upstream * values).mean(-1, keepdim=True)
    return (upstream * factor - values * (factor.pow(3) * mean)).to(x.dtype)


def add_rms_forward(x: Tensor, y: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The sum, its norm, and the norm's factors."""
    total = x + y
    normed, factor = rms_forward(total, weight, eps)
    return total, normed, factor


def add_rms_backward(gradient: Tensor, of_total: Tensor, total: Tensor, weight: Tensor, factor: Tensor) -> Tensor:
    """The gradient of either summand of `add_rms_forward`: what comes to the norm, and what comes to the sum past it."""
    return rms_backward(gradient, total, weight, factor) + of_total


def rotate(x: Tensor, cos: Tensor, sin: Tensor, num: int) -> Tensor:
    """Rotary positions (Su et al., 2021): x [T, n, D], cos and sin [T, 1, D / 2]. Of the first `num` of n the two halves of D are turned
    against each other; the rest stays.
    """
    first, second = x[:, :num].chunk(2, -1)
    return torch.cat((torch.cat((first * cos - second * sin, second * cos + first * sin), -1), x[:, num:]), 1)


def rotate_by_steps(x: Tensor, cos: Tensor, sin: Tensor, num: int) -> Tensor:
    """As `rotate`, in half the passes over memory where nothing makes one of it."""
    found = torch.empty_like(x, memory_format=torch.contiguous_format)
    found[:, num:] = x[:, num:]
    (first, second), (ahead, behind) = x[:, :num].chunk(2, -1), found[:, :num].chunk(2, -1)
    torch.mul(first, cos, out=ahead).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=behind).addcmul_(first, sin)
    return found


def gate_forward(gate_up: Tensor) -> Tensor:
    """SwiGLU (Shazeer, 2020): silu(gate) * up, of both side by side."""
    gate, up = gate_up.chunk(2, -1)
    return torch.nn.functional.silu(gate) * up


def gate_gradients(gradient: Tensor, gate_up: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of `gate_forward`'s two halves. Apart: a compiler that puts them side by side takes twice as long."""
    gate, up = (wide(half) for half in gate_up.chunk(2, -1))
    upstream, sigmoid = wide(gradient), torch.sigmoid(gate)
    silu = gate * sigmoid
    return (upstream * up * (sigmoid + silu * (1 - sigmoid))).to(gate_up.dtype), (upstream * silu).to(gate_up.dtype)


def gate_backward_by_steps(gradient: Tensor, gate_up: Tensor) -> Tensor:
    """As `gate_gradients`, side by side, by torch's own kernels, each a pass over memory: much faster where nothing makes one of it."""
    gate, up = gate_up.chunk(2, -1)
    found = torch.empty_like(gate_up)
    of_gate, of_up = found.chunk(2, -1)
    torch.mul(gradient, torch.nn.functional.silu(gate), out=of_up)
    torch.ops.aten.silu_backward.grad_input(gradient * up, gate, grad_input=of_gate)
    return found


@dataclass(frozen=True, slots=True)
class Kernels:
    """The functions above, as they are or compiled."""

    rms_forward: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]] = rms_forward
    rms_backward: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = rms_backward
    add_rms_forward: Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor, Tensor]] = add_rms_forward
    add_rms_backward: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor] = add_rms_backward
    rotate: Callable[[Tensor, Tensor, Tensor, int], Tensor] = rotate_by_steps
    gate_forward: Callable[[Tensor], Tensor] = gate_forward
    gate_backward: Callable[[Tensor, Tensor], Tensor] = gate_backward_by_steps

    def compiled(self) -> "Kernels":
        """Returns them compiled, for any number of tokens; the first call of each compiles it."""
        gradients = torch.compile(gate_gradients, dynamic=True)

        def gate_backward(gradient: Tensor, gate_up: Tensor) -> Tensor:
            return torch.cat(gradients(gradient, gate_up), -1)

        alike = {field.name: getattr(self, field.name) for field in fields(self)} | {"rotate": rotate}
        made = {name: torch.compile(kernel, dynamic=True) for name, kernel in alike.items() if name != "gate_backward"}
        return replace(self, **made, gate_backward=gate_backward)
