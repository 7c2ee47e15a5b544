"""Attention over packed sequences, plugged into transformers' attention interface, so that no position is padding.

Sequences follow each other in one row of tokens; projections and MLPs run on exactly the tokens there are. Only here are the
sequences taken apart, so that none sees another.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch.nn import functional

from train.data.packing import Segments

IMPLEMENTATION = "loopwright_packed"

# On a CPU, up to about this length two batched products and a softmax beat the fused kernel, whose backward pass is slow
# (60 tokens: 14 ms against 50 ms forward and backward). Past it their [T, T] probabilities cost too much memory.
_LONGEST_BY_HAND = 512
# What some architectures pass to attention and this implementation does not do.
_UNSUPPORTED = ("softcap", "s_aux", "position_bias")

_current: ContextVar[Segments | None] = ContextVar("segments", default=None)


@contextmanager
def attending(segments: Segments | None) -> Iterator[None]:
    """Makes attention see these segments within the block; None leaves the model's own attention as it is."""
    token = _current.set(segments)
    try:
        yield
    finally:
        _current.reset(token)


def attended() -> Segments | None:
    """Returns the segments that attention sees now."""
    return _current.get()


def register() -> None:
    """Makes the implementation known to transformers, under `IMPLEMENTATION`.

    No mask function is registered with it: transformers then builds no mask, and the one that is needed is made here.
    """
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(IMPLEMENTATION, _packed_attention)


def _packed_attention(  # noqa: PLR0917 (the parameters are transformers')
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Computes attention within each segment, causal where the module's own is.

    Shapes: query [1, H, T, D], key and value [1, KV, T, D] -> [1, T, H, D].
    """
    segments = _current.get()
    is_causal = getattr(module, "is_causal", True)  # as transformers asks it
    unsupported = any(options.get(name) is not None for name in _UNSUPPORTED) or (sliding_window is not None and not is_causal)
    if segments is None or attention_mask is not None or unsupported:
        raise NotImplementedError("this model's attention cannot be packed")
    query, key, value = (_unpack(states, segments) for states in (query, key, value))
    length = query.shape[2]
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    windowed = not is_causal or (sliding_window is not None and sliding_window < length)
    visible = _visible(length, sliding_window, query.device) if is_causal else _within(segments, length)
    if query.device.type == "cpu" and length <= _LONGEST_BY_HAND and not dropout:
        output = _attend_by_hand(query, key, value, visible, scale)
    else:
        mask = visible if windowed else None
        output = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout, is_causal=mask is None, scale=scale, enable_gqa=True
        )
    flat = output.transpose(1, 2).flatten(0, 1)  # [S * L, H, D]
    return flat.index_select(0, segments.scatter).unsqueeze(0), None


def _unpack(states: torch.Tensor, segments: Segments) -> torch.Tensor:
    """[1, H, T, D] -> [S, H, L, D]."""
    gathered = states[0].transpose(0, 1).index_select(0, segments.gather)
    return gathered.view(segments.num_segments, -1, *gathered.shape[1:]).transpose(1, 2)


def _visible(length: int, sliding_window: int | None, device: torch.device) -> torch.Tensor:
    """Returns which key (column) each query (row) sees, bool [L, L]."""
    distance = torch.arange(length, device=device)[:, None] - torch.arange(length, device=device)
    seen = distance >= 0
    return seen if sliding_window is None else seen & (distance < sliding_window)


def _within(segments: Segments, length: int) -> torch.Tensor:
    """Returns which keys belong to each segment, for attention in both directions, bool [S, 1, 1, L]."""
    return (torch.arange(length, device=segments.lengths.device) < segments.lengths[:, None])[:, None, None]


def _attend_by_hand(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, visible: torch.Tensor, scale: float) -> torch.Tensor:
    """Two batched products over [S * KV], the queries that share a key head folded into rows, so that no key is copied."""
    num_segments, num_heads, length, width = query.shape
    num_kv_heads = key.shape[1]
    folded = query.reshape(num_segments * num_kv_heads, -1, width)  # [S * KV, G * L, D]
    keys, values = (states.reshape(num_segments * num_kv_heads, length, width) for states in (key, value))
    scores = torch.bmm(folded * scale, keys.transpose(1, 2)).view(num_segments, num_heads, length, length)
    probabilities = scores.masked_fill(~visible, float("-inf")).softmax(-1, dtype=torch.float32).to(values.dtype)
    output = torch.bmm(probabilities.view(num_segments * num_kv_heads, -1, length), values)
    return output.view(num_segments, num_heads, length, value.shape[-1])
