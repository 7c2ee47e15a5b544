"""Llama and its like, computed from their own weights."""

from dataclasses import dataclass
from typing import Any

import torch

from train.fast.attention import attend
from train.fast.elementwise import add_rms_norm, gate, rms_norm, rotate
from train.fast.kernels import Kernels
from train.fast.layout import Layout
from train.fast.linear import Joined
from train.models.load import Model

_FAMILY = {"llama", "mistral", "qwen2", "qwen3"}
"""Architectures of transformers that are: norm, q/k/v, rotary positions, causal attention, output; norm, gate and up, SiLU, down."""


@dataclass(frozen=True, slots=True)
class _Norm:
    """A root-mean-square norm: its frozen weight, and what is added to the mean of squares."""

    weight: torch.Tensor
    eps: float

    @classmethod
    def of(cls, module: Any) -> "_Norm | None":
        weight, eps = getattr(module, "weight", None), getattr(module, "variance_epsilon", None)
        return None if weight is None or eps is None or weight.requires_grad else cls(weight, eps)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One block; `of_query` and `of_key` are norms of each head (Qwen3)."""

    before_attention: _Norm
    qkv: Joined
    of_query: _Norm | None
    of_key: _Norm | None
    output: Joined
    before_mlp: _Norm
    gate_up: Joined
    down: Joined
    head_size: int
    num_heads: int
    num_kv: int
    scale: float


@dataclass(frozen=True, slots=True)
class FastLlama:
    """A model of the Llama family, whose frozen base and adapters are computed here; the model itself stays as it is.

    Attributes:
        model: the transformers model below its head.
        layers: its blocks.
        last: the norm after them.
        window: how far back attention sees, in tokens; None: to the beginning.
        kernels: what is computed a number at a time.
    """

    model: Any
    layers: tuple[_Layer, ...]
    last: _Norm
    window: int | None
    kernels: Kernels

    @classmethod
    def of(cls, causal: Model, kernels: Kernels) -> "FastLlama | str":
        """Returns it for a model on a processor, with a frozen base and plain adapters; why there is none where the model is another.

        Joined layers read their weights from one tensor afterwards, which changes no value.
        """
        config: Any = causal.config
        if causal.device.type != "cpu":
            return "it is for processors"
        if config.model_type not in _FAMILY:
            return f"the architecture '{config.model_type}' has none"
        if getattr(config, "hidden_act", None) != "silu" or getattr(config, "attention_dropout", 0.0):
            return "its activation or its attention's dropout is another"
        model: Any = causal.base_model
        embeddings = model.embed_tokens.weight
        if embeddings.requires_grad or embeddings.dtype != causal.dtype:
            return "it trains weights of the base"
        last = _Norm.of(model.norm)
        layers = [layer for layer in map(_layer, model.layers) if layer]
        if last is None or len(layers) < len(model.layers):
            return "it is for a frozen base with adapters without dropout and DoRA"
        return cls(model, tuple(layers), last, getattr(config, "sliding_window", None), kernels)

    def takes(self, layout: Layout) -> bool:
        """Says whether attention sees as far back as the sequences are long."""
        return self.window is None or layout.longest <= self.window

    def hidden(self, layout: Layout) -> torch.Tensor:
        """Returns the last hidden states of a layout's tokens, [N, width], differentiable by the adapters."""
        kernels, num = self.kernels, len(layout.input_ids)
        with torch.autocast("cpu", enabled=False):  # every product is in the precision of the weights
            total: torch.Tensor = self.model.embed_tokens(layout.input_ids)
            cos, sin = (
                part[0, :, None, : part.shape[-1] // 2].to(total.dtype).contiguous()
                for part in self.model.rotary_emb(total[None], layout.position_ids[None])
            )
            norms = [layer.before_attention for layer in self.layers[1:]] + [self.last]
            first = self.layers[0].before_attention
            normed = rms_norm(total, first.weight, first.eps, kernels)
            for layer, after in zip(self.layers, norms, strict=True):
                attended = self._attend(layer, layer.qkv(normed), cos, sin, layout)
                total, normed = add_rms_norm(
                    total, layer.output(attended.view(num, -1)), layer.before_mlp.weight, layer.before_mlp.eps, kernels
                )
                gated = gate(layer.gate_up(normed), kernels)
                total, normed = add_rms_norm(total, layer.down(gated), after.weight, after.eps, kernels)
        return normed

    def _attend(self, layer: _Layer, qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, layout: Layout) -> torch.Tensor:
        """q, k and v side by side, [N, (H + 2 KV) D] -> [N, H, D]."""
        num_turned = layer.num_heads + layer.num_kv
        heads = qkv.view(len(qkv), -1, layer.head_size)
        turned = heads[:, :num_turned]
        if layer.of_query is not None and layer.of_key is not None:
            query, key = turned[:, : layer.num_heads], turned[:, layer.num_heads :]
            turned = torch.cat(
                [rms_norm(states, norm.weight, norm.eps, self.kernels) for states, norm in ((query, layer.of_query), (key, layer.of_key))],
                1,
            )
        turned = rotate(turned, cos, sin, self.kernels)
        query, key = turned[:, : layer.num_heads], turned[:, layer.num_heads :]
        return attend(query, key, heads[:, num_turned:], layout, layer.scale, self.kernels)


def _layer(layer: Any) -> _Layer | None:
    attention, mlp = layer.self_attn, layer.mlp
    norms = _Norm.of(layer.input_layernorm), _Norm.of(layer.post_attention_layernorm)
    of_query, of_key = (_Norm.of(getattr(attention, name, None)) for name in ("q_norm", "k_norm"))
    if norms[0] is None or norms[1] is None or (hasattr(attention, "q_norm") and (of_query is None or of_key is None)):
        return None
    joined = (
        Joined.of([attention.q_proj, attention.k_proj, attention.v_proj]),
        Joined.of([attention.o_proj]),
        Joined.of([mlp.gate_proj, mlp.up_proj]),
        Joined.of([mlp.down_proj]),
    )
    qkv, output, gate_up, down = joined
    if qkv is None or output is None or gate_up is None or down is None:
        return None
    size = attention.head_dim
    num_heads, num_kv = (part // size for part in qkv.sizes[:2])
    return _Layer(norms[0], qkv, of_query, of_key, output, norms[1], gate_up, down, size, num_heads, num_kv, float(attention.scaling))
