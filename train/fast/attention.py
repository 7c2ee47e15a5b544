"""Causal attention over a layout, with a backward pass of its own: the stock one takes most of a step on a processor."""

from functools import lru_cache
from typing import Any

import torch
from typing_extensions import override

from train.fast.kernels import Kernels, wide
from train.fast.layout import Layout, Own

# Nodes of up to this length keep their probabilities for the backward pass: two products and a softmax are faster than the flash kernel
# there, and what is kept is little beside the rest.
_KEPT_LENGTH = 320
# Rows of queries a chunk of the backward pass: of 256, probabilities of 1,000 keys fit into a cache.
_CHUNK = 256


class Attention(torch.autograd.Function):
    """q [T, H, D], k and v [T, KV, D] -> [T, H, D].

    Forward is torch's flash kernel, which keeps the log of each query's sum of exponentials; of short nodes two products and a softmax.
    What a token sees before its own node is attended apart, and the two are put together by these logs. Backward forms the probabilities
    again from their sum, a chunk of queries at a time (Dao et al., "FlashAttention", 2022, algorithm 4), but for those of short nodes,
    which are kept. The queries that share a key head stand together, so that no key is copied.
    """

    @staticmethod
    @override
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: Layout, scale: float, kernels: Kernels
    ) -> torch.Tensor:
        output = torch.empty(query.shape, dtype=query.dtype)
        logs = torch.empty(query.shape[:2], dtype=torch.float64 if query.dtype == torch.float64 else torch.float32)
        num_kv = key.shape[1]
        kept = []
        for own in layout.own:
            queries, keys, values = (_taken(one, own, num_kv) for one in (query, key, value))
            if own.length <= _KEPT_LENGTH:
                attended, sums, weights = _by_hand(queries, keys, values, scale, kernels)
                kept += [weights, sums]
            else:
                attended, sums = _flash(queries, keys, values, scale=scale, is_causal=True)
            output[own.start : own.end], logs[own.start : own.end] = _put(attended, own), _put(sums.unsqueeze(-1), own).squeeze(-1)
        for seen in layout.seen:
            folded = _folded(query.index_select(0, seen.queries), 1, num_kv)
            attended, sums = _flash(folded, *(_folded(one[seen.start : seen.end], 1, num_kv) for one in (key, value)), scale=scale)
            _merge(output, logs, seen.queries, _unfolded(attended), _unfolded(sums.unsqueeze(-1)).squeeze(-1))
        ctx.save_for_backward(query, key, value, output, logs, *kept)
        ctx.layout, ctx.scale, ctx.kernels = layout, scale, kernels
        return output

    @staticmethod
    @override
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, output, logs, *kept = ctx.saved_tensors
        num_kv = key.shape[1]
        of_query, of_key, of_value = (torch.empty(one.shape, dtype=one.dtype) for one in (query, key, value))
        delta = (wide(gradient) * wide(output)).sum(-1)
        of_short = iter(kept)
        for own in ctx.layout.own:
            queries, keys, values, sums, upstream, deltas = (
                _taken(one, own, num_kv) for one in (query, key, value, logs.unsqueeze(-1), gradient, delta.unsqueeze(-1))
            )
            above = sums, _without_padding(upstream, own), _without_padding(deltas, own)
            weights = next(of_short) if own.length <= _KEPT_LENGTH else None
            if weights is not None:
                divisors = next(of_short).unsqueeze(-1)  # of the node alone, where others are seen as well
                weights = weights * (divisors - sums).exp().to(weights.dtype) if ctx.layout.seen else weights
            found = _gradients((queries, keys, values), above, ctx.scale, ctx.kernels, is_causal=True, kept=weights)
            for into, one in zip((of_query, of_key, of_value), found, strict=True):
                into[own.start : own.end] = _put(one, own)
        for seen in ctx.layout.seen:
            queries, sums, upstream, deltas = (
                _folded(one.index_select(0, seen.queries), 1, num_kv) for one in (query, logs.unsqueeze(-1), gradient, delta.unsqueeze(-1))
            )
            keys, values = (_folded(one[seen.start : seen.end], 1, num_kv) for one in (key, value))
            found = _gradients((queries, keys, values), (sums, upstream, deltas), ctx.scale, ctx.kernels, is_causal=False)
            of_query.index_add_(0, seen.queries, _unfolded(found[0]))
            of_key[seen.start : seen.end] += _unfolded(found[1])
            of_value[seen.start : seen.end] += _unfolded(found[2])
        return of_query, of_key, of_value, None, None, None


def attend(  # noqa: PLR0917 (as autograd takes them)
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: Layout, scale: float, kernels: Kernels
) -> torch.Tensor:
    """See `Attention`."""
    return Attention.apply(query, key, value, layout, scale, kernels)  # type: ignore[no-any-return, no-untyped-call]


def _folded(states: torch.Tensor, num: int, num_kv: int) -> torch.Tensor:
    """[G * L, H, D] -> [G * KV, g, L, D]: the heads that share a key head stand together."""
    spread = states.reshape(num, -1, num_kv, states.shape[1] // num_kv, states.shape[2]).permute(0, 2, 3, 1, 4)
    return spread.flatten(0, 1)


def _unfolded(states: torch.Tensor, num: int = 1) -> torch.Tensor:
    """[G * KV, g, L, D] -> [G * L, H, D]."""
    return states.view(num, -1, *states.shape[1:]).permute(0, 3, 1, 2, 4).flatten(2, 3).flatten(0, 1)


def _taken(states: torch.Tensor, own: Own, num_kv: int) -> torch.Tensor:
    """Returns what some nodes' tokens have, [T, H, D] -> [G * KV, g, L, D]."""
    mine = states[own.start : own.end] if own.padded is None else states.index_select(0, own.padded)
    return _folded(mine, own.num, num_kv)


def _put(states: torch.Tensor, own: Own) -> torch.Tensor:
    """Returns it token by token again, without padding, [end - start, H, D]."""
    spread = _unfolded(states, own.num)
    return spread if own.real is None else spread.index_select(0, own.real)


def _without_padding(states: torch.Tensor, own: Own) -> torch.Tensor:
    """Sets to zero what stands for padding: it repeats a real token, to whose gradient it must not add."""
    if own.real is None:
        return states
    kept = torch.zeros(own.num * own.length, dtype=states.dtype)
    kept[own.real] = 1
    by_node = kept.view(own.num, 1, 1, own.length, 1).expand(-1, len(states) // own.num, -1, -1, -1).flatten(0, 1)
    return states * by_node


def _flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, scale: float, is_causal: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """q [B, g, L, D], k and v [B, 1, M, D] -> [B, g, L, D], and the log of each query's sum of exponentials, [B, g, L]."""
    spread = (-1, query.shape[1], -1, -1)
    attended, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key.expand(spread), value.expand(spread), 0.0, is_causal, scale=scale
    )
    return attended, sums.reshape(query.shape[:3])


def _by_hand(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, kernels: Kernels
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """q [B, g, L, D], k and v [B, 1, L, D] -> as `_flash`, causal; and the probabilities, [B, g, L, L]."""
    num, shared, length, width = query.shape
    products = torch.bmm(query.reshape(num, -1, width), key.squeeze(1).transpose(1, 2)).view(num, shared, length, length)
    weights, sums = kernels.softmax(products, _later(0, length, length), scale)
    attended = torch.bmm(weights.view(num, -1, length), value.squeeze(1)).view(query.shape)
    return attended, sums.squeeze(-1), weights


def _merge(output: torch.Tensor, logs: torch.Tensor, places: torch.Tensor, attended: torch.Tensor, sums: torch.Tensor) -> None:
    """Adds what some tokens see elsewhere to what they have seen: two averages, by the sums that they are over."""
    before = logs.index_select(0, places)
    total = torch.logaddexp(before, sums)
    mean = output.index_select(0, places) * (before - total).exp().unsqueeze(-1) + attended * (sums - total).exp().unsqueeze(-1)
    output[places], logs[places] = mean.to(output.dtype), total


def _gradients(
    states: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    above: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    scale: float,
    kernels: Kernels,
    *,
    is_causal: bool,
    kept: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns the gradients of q [B, g, L, D], k and v [B, 1, M, D].

    Args:
        states: these three; M is L where it is causal.
        above: of each query the log of its sum of exponentials over all that it sees, [B, g, L, 1]; the gradient of its output,
            [B, g, L, D]; and that gradient's product with the output, [B, g, L, 1].
        scale: what products of queries and keys are multiplied by.
        kernels: what is computed a number at a time.
        is_causal: a query sees no key that comes after it.
        kept: the probabilities, [B, g, L, M]; None: they are formed again.
    """
    query, key, value = states
    sums, upstream, deltas = above
    num, shared, length, width = query.shape
    keys, values = key.squeeze(1), value.squeeze(1)
    of_query, of_keys, of_values = torch.empty(query.shape, dtype=query.dtype), None, None
    chunk = _CHUNK if kept is None else length
    for start in reversed(range(0, length, chunk)):  # the last queries see all keys
        end = min(start + chunk, length)
        num_seen = end if is_causal else keys.shape[1]
        rows, shape = (num, shared * (end - start), width), (num, shared, end - start, num_seen)
        queries, outer = (one[:, :, start:end].reshape(rows) for one in (query, upstream))
        near, of_near = keys[:, :num_seen], values[:, :num_seen]
        if kept is None:
            hidden = _later(start, end, num_seen) if is_causal else None
            weights = kernels.probabilities(torch.bmm(queries, near.transpose(1, 2)).view(shape), hidden, sums[:, :, start:end], scale)
        else:
            weights = kept
        gradient = torch.bmm(outer, of_near.transpose(1, 2)).view(shape)
        gradient = kernels.score_gradient(weights, gradient, deltas[:, :, start:end], scale).view(num, -1, num_seen)
        weights = weights.view(num, -1, num_seen)
        of_query[:, :, start:end] = torch.bmm(gradient, near).view(num, shared, end - start, width)
        if of_keys is None or of_values is None:
            of_keys, of_values = torch.bmm(gradient.transpose(1, 2), queries), torch.bmm(weights.transpose(1, 2), outer)
        else:
            of_keys[:, :num_seen] += torch.bmm(gradient.transpose(1, 2), queries)
            of_values[:, :num_seen] += torch.bmm(weights.transpose(1, 2), outer)
    assert of_keys is not None and of_values is not None, "there are queries"
    return of_query, of_keys.unsqueeze(1), of_values.unsqueeze(1)


@lru_cache(maxsize=16)  # each layer asks for the same ones
def _later(start: int, end: int, num_keys: int) -> torch.Tensor:
    """Returns minus infinity where a key comes after a query, and 0 elsewhere, [l, m]."""
    return torch.full((end - start, num_keys), float("-inf")).triu(start + 1)
