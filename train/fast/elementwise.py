"""The kernels with their gradients."""

from typing import Any

import torch
from typing_extensions import override

from train.fast.kernels import Kernels, add_rms_forward, rms_forward


class RmsNorm(torch.autograd.Function):
    """x [..., D], a frozen weight [D] -> [..., D]."""

    @staticmethod
    @override
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float, kernels: Kernels) -> torch.Tensor:
        normed, factor = kernels.rms_forward(x, weight, eps)
        ctx.save_for_backward(x, weight, factor)
        ctx.kernels = kernels
        return normed

    @staticmethod
    @override
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, factor = ctx.saved_tensors
        return ctx.kernels.rms_backward(gradient, x, weight, factor), None, None, None


class AddRmsNorm(torch.autograd.Function):
    """x and y [T, D], a frozen weight [D] -> their sum, and its norm."""

    @staticmethod
    @override
    def forward(
        ctx: Any, x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, eps: float, kernels: Kernels
    ) -> tuple[torch.Tensor, torch.Tensor]:
        total, normed, factor = kernels.add_rms_forward(x, y, weight, eps)
        ctx.save_for_backward(total, weight, factor)
        ctx.kernels = kernels
        return total, normed

    @staticmethod
    @override
    def backward(ctx: Any, of_total: torch.Tensor, of_normed: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        total, weight, factor = ctx.saved_tensors
        gradient = ctx.kernels.add_rms_backward(of_normed, of_total, total, weight, factor)
        return gradient, gradient, None, None, None


class Rotate(torch.autograd.Function):
    """x [T, n, D], cos and sin [T, 1, D / 2], how many of n are turned -> [T, n, D]."""

    @staticmethod
    @override
    def forward(ctx: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, num: int, kernels: Kernels) -> torch.Tensor:
        ctx.turn, ctx.num, ctx.kernels = (cos, sin), num, kernels
        return kernels.rotate(x, cos, sin, num)

    @staticmethod
    @override
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        cos, sin = ctx.turn
        return ctx.kernels.rotate(gradient, cos, -sin, ctx.num), None, None, None, None


class Gate(torch.autograd.Function):
    """Gate and up side by side, [T, 2 F] -> silu(gate) * up, [T, F]."""

    @staticmethod
    @override
    def forward(ctx: Any, gate_up: torch.Tensor, kernels: Kernels) -> torch.Tensor:
        ctx.save_for_backward(gate_up)
        ctx.kernels = kernels
        return kernels.gate_forward(gate_up)

    @staticmethod
    @override
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gate_up,) = ctx.saved_tensors
        return ctx.kernels.gate_backward(gradient, gate_up), None


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float, kernels: Kernels) -> torch.Tensor:
    """See `RmsNorm`; a weight that is trained gets its gradient by torch's own."""
    if weight.requires_grad and torch.is_grad_enabled():
        return rms_forward(x, weight, eps)[0]
    return RmsNorm.apply(x, weight, eps, kernels)  # type: ignore[no-any-return, no-untyped-call]


def add_rms_norm(x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, eps: float, kernels: Kernels) -> tuple[torch.Tensor, torch.Tensor]:
    """See `AddRmsNorm`; a weight that is trained gets its gradient by torch's own."""
    if weight.requires_grad and torch.is_grad_enabled():
        total, normed, _ = add_rms_forward(x, y, weight, eps)
        return total, normed
    return AddRmsNorm.apply(x, y, weight, eps, kernels)  # type: ignore[no-any-return, no-untyped-call]


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, num: int, kernels: Kernels) -> torch.Tensor:
    """See `Rotate`."""
    return Rotate.apply(x, cos, sin, num, kernels)  # type: ignore[no-any-return, no-untyped-call]


def gate(gate_up: torch.Tensor, kernels: Kernels) -> torch.Tensor:
    """See `Gate`."""
    return Gate.apply(gate_up, kernels)  # type: ignore[no-any-return, no-untyped-call]
