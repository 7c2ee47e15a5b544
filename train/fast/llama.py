"""Llama and its like, computed from their own weights."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from train.fast.attention import attend
from train.fast.elementwise import add_rms_norm, gate, rms_norm, rotate
from train.fast.kernels import Kernels
from train.fast.layout import Layout
from train.fast.linear import Joined, TrainedJoined, joined
from train.models.load import Model, compute_dtype, is_sharded

_Turn = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines of the tokens' positions, [N, 1, D / 2]."""
Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]
"""Attention of tokens that each continue a sequence: see `FastLlama.step`."""

_FAMILY = {"llama", "mistral", "qwen2", "qwen3"}
"""Architectures of transformers that are: norm, q/k/v, rotary positions, causal attention, output; norm, gate and up, SiLU, down."""


@dataclass(frozen=True, slots=True)
class _Norm:
    """A root-mean-square norm: its weight, and what is added to the mean of squares."""

    weight: torch.Tensor
    eps: float

    @classmethod
    def of(cls, module: Any) -> "_Norm | None":
        weight, eps = getattr(module, "weight", None), getattr(module, "variance_epsilon", None)
        return None if weight is None or eps is None else cls(weight, eps)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One block; `of_query` and `of_key` are norms of each head (Qwen3)."""

    before_attention: _Norm
    qkv: Joined | TrainedJoined
    of_query: _Norm | None
    of_key: _Norm | None
    output: Joined | TrainedJoined
    before_mlp: _Norm
    gate_up: Joined | TrainedJoined
    down: Joined | TrainedJoined
    head_size: int
    num_heads: int
    num_kv: int
    scale: float

    def parts(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """[N, H + 2 KV, D] -> queries [N, H, D], keys and values [N, KV, D]."""
        query, key, value = torch.split(states, [self.num_heads, self.num_kv, self.num_kv], 1)
        return query, key, value


@dataclass(frozen=True, slots=True)
class FastLlama:
    """A model of the Llama family, whose layers and adapters are computed here; the model itself stays as it is.

    Attributes:
        model: the transformers model below its head.
        layers: its blocks.
        last: the norm after them.
        window: how far back attention sees, in tokens; None: to the beginning.
        kernels: what is computed a number at a time.
        dtype: the precision of the products.
        is_checkpointed: a layer keeps its input alone for the backward pass, which computes the rest of it again.
    """

    model: Any
    layers: tuple[_Layer, ...]
    last: _Norm
    window: int | None
    kernels: Kernels
    dtype: torch.dtype
    is_checkpointed: bool = False

    @classmethod
    def of(cls, causal: Model, kernels: Kernels) -> "FastLlama | str":
        """Returns it for a model on a processor, with plain adapters or its own weights trained; why there is none for another.

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
        if any(map(is_sharded, model.parameters())):
            return "its weights are divided among processes"
        last = _Norm.of(model.norm)
        layers = [layer for layer in map(_layer, model.layers) if layer]
        if last is None or len(layers) < len(model.layers):
            return "its layers or adapters are more than products of matrices (DoRA with dropout, 4 bits)"
        return cls(model, tuple(layers), last, getattr(config, "sliding_window", None), kernels, compute_dtype(causal))

    def fixed(self) -> "FastLlama":
        """Returns the same with its adapters as they are now, which then need not be looked at again."""

        def known(joined: Joined | TrainedJoined) -> Joined | TrainedJoined:
            return joined.fixed() if isinstance(joined, Joined) else joined

        layers = tuple(
            replace(layer, qkv=known(layer.qkv), output=known(layer.output), gate_up=known(layer.gate_up), down=known(layer.down))
            for layer in self.layers
        )
        return replace(self, layers=layers)

    def takes(self, layout: Layout) -> bool:
        """Says whether attention sees as far back as the sequences are long."""
        return self.window is None or layout.longest <= self.window

    def hidden(
        self, layout: Layout, watch: Callable[[int, torch.Tensor], None] | None = None, keep: Callable[..., None] | None = None
    ) -> torch.Tensor:
        """Returns the last hidden states of a layout's tokens, [N, width], differentiable by what is trained.

        Args:
            layout: the tokens.
            watch: is told of each layer, from 1, and what comes out of it, [N, width].
            keep: is told each layer's keys, [N, KV, D], which have their positions, and values, likewise.
        """
        with torch.autocast("cpu", enabled=False):  # every product is in the precision of the model
            total, normed, turn = self._begin(layout.input_ids, layout.position_ids)
            for number, (layer, after) in enumerate(self._layers_and_norms(), start=1):
                if self.is_checkpointed and torch.is_grad_enabled():
                    total, normed = checkpoint(self._block, layer, after, total, normed, turn, layout, use_reentrant=False)
                else:
                    total, normed = self._block(layer, after, total, normed, turn, layout, keep)
                if watch is not None:
                    watch(number, total)
        return normed

    def step(self, input_ids: torch.Tensor, position_ids: torch.Tensor, attend: Attend) -> torch.Tensor:
        """Returns the last hidden states of tokens that each continue a sequence of their own, [B, width].

        Args:
            input_ids: int64 [B].
            position_ids: int64 [B].
            attend: layer from 0, q [B, H, D], k and v [B, KV, D], what products are multiplied by -> what the tokens see, [B, H * D].
        """
        with torch.autocast("cpu", enabled=False):
            total, normed, turn = self._begin(input_ids, position_ids)
            for number, (layer, after) in enumerate(self._layers_and_norms()):
                attended = attend(number, *layer.parts(self._states(layer, normed, turn)), layer.scale)
                total, normed = self._after_attention(layer, after, total, attended)
        return normed

    def _begin(self, input_ids: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, _Turn]:
        """Returns what goes into the first layer, its norm, and how positions turn queries and keys."""
        total: torch.Tensor = self.model.embed_tokens(input_ids).to(self.dtype)
        cos, sin = (
            part[0, :, None, : part.shape[-1] // 2].to(total.dtype).contiguous()
            for part in self.model.rotary_emb(total[None], position_ids[None])
        )
        first = self.layers[0].before_attention
        return total, rms_norm(total, first.weight, first.eps, self.kernels), (cos, sin)

    def _layers_and_norms(self) -> Iterator[tuple[_Layer, _Norm]]:
        """Yields each layer with the norm that follows it."""
        return zip(self.layers, [*(layer.before_attention for layer in self.layers[1:]), self.last], strict=True)

    def _block(  # noqa: PLR0917 (as checkpoint passes them)
        self,
        layer: _Layer,
        after: _Norm,
        total: torch.Tensor,
        normed: torch.Tensor,
        turn: _Turn,
        layout: Layout,
        keep: Callable[..., None] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What comes into a layer and its norm, [N, width] -> what comes out of it, and the norm that is `after` it."""
        states = self._states(layer, normed, turn)
        if keep is not None:
            keep(*layer.parts(states)[1:])
        attended = attend(states, layout, layer.scale, layer.num_heads).view(len(total), -1)
        return self._after_attention(layer, after, total, attended)

    def _after_attention(
        self, layer: _Layer, after: _Norm, total: torch.Tensor, attended: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        total, normed = add_rms_norm(total, layer.output(attended), layer.before_mlp.weight, layer.before_mlp.eps, self.kernels)
        gated = gate(layer.gate_up(normed), self.kernels)
        return add_rms_norm(total, layer.down(gated), after.weight, after.eps, self.kernels)

    def _states(self, layer: _Layer, normed: torch.Tensor, turn: _Turn) -> torch.Tensor:
        """Returns a layer's queries, keys and values, one behind the other, [N, H + 2 KV, D]."""
        heads = layer.qkv(normed).view(len(normed), -1, layer.head_size)
        if layer.of_query is not None and layer.of_key is not None:
            query, key, value = layer.parts(heads)
            turned = [
                rms_norm(states, norm.weight, norm.eps, self.kernels) for states, norm in ((query, layer.of_query), (key, layer.of_key))
            ]
            heads = torch.cat([*turned, value], 1)
        return rotate(heads, *turn, layer.num_heads + layer.num_kv, self.kernels)


def _layer(layer: Any) -> _Layer | None:
    attention, mlp = layer.self_attn, layer.mlp
    norms = _Norm.of(layer.input_layernorm), _Norm.of(layer.post_attention_layernorm)
    of_query, of_key = (_Norm.of(getattr(attention, name, None)) for name in ("q_norm", "k_norm"))
    if norms[0] is None or norms[1] is None or (hasattr(attention, "q_norm") and (of_query is None or of_key is None)):
        return None
    qkv, output = joined([attention.q_proj, attention.k_proj, attention.v_proj]), joined([attention.o_proj])
    gate_up, down = joined([mlp.gate_proj, mlp.up_proj]), joined([mlp.down_proj])
    if qkv is None or output is None or gate_up is None or down is None:
        return None
    size = attention.head_dim
    num_heads, num_kv = (part // size for part in qkv.sizes[:2])
    return _Layer(norms[0], qkv, of_query, of_key, output, norms[1], gate_up, down, size, num_heads, num_kv, float(attention.scaling))
